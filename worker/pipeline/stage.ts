import type { MiddlewareHandler } from 'hono';
import type { Personal } from '../audit/personal.ts';
import type { Recorder } from '../audit/recorder.ts';
import type { Verifier } from '../auth/verify.ts';
import type { Config } from '../config.ts';
import type { Gate } from '../gate.ts';
import type { AuditReader } from '../governance/audit-reader.ts';
import type { Checkpoints } from '../governance/checkpoints.ts';
import type { Holds } from '../governance/holds.ts';
import type { Subjects } from '../governance/subjects.ts';
import type { Homes } from '../mem0/home.ts';
import type { InflightBytes } from '../mem0/inflight.ts';
import type { Owners } from '../owners.ts';
import type { Policy } from '../policy/policy.ts';

/**
 * A stage of the way. It reads what earlier stages added, adds its own value with `c.set`, and never edits
 * another's. `Before` is what it needs, `Adds` what it brings.
 */
export type Stage<Before extends object, Adds extends object = object> = MiddlewareHandler<{
  Variables: Before & Adds;
}>;

/** What the stages work with; built once per isolate. Everything that does I/O is behind one of these. */
export interface Parts {
  readonly config: Config;
  readonly recorder: Recorder;
  /** How long a record is tried before its request is refused; and the outcome of a change that was forwarded. */
  readonly patience: { readonly recordMs: number; readonly outcomeMs: number };
  readonly personal: Personal;
  readonly auditReader: AuditReader;
  readonly checkpoints: Checkpoints;
  readonly holds: Holds;
  readonly subjects: Subjects;
  readonly verifier: Verifier;
  readonly gate: Gate;
  readonly policy: Policy;
  readonly owners: Owners;
  readonly homes: Homes;
  /** Bytes of Mem0's answers, and of request bodies, that this isolate holds. */
  readonly inflight: InflightBytes;
  readonly bodies: InflightBytes;
}
