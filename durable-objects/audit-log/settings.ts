import type { SignerKey } from '../../core/note.ts';

/** What an AuditLog needs to know; the Worker's settings make it. Sizes in bytes, times in milliseconds. */
export interface AuditLogSettings {
  /** How long a record waits before it is sent to Postgres. */
  readonly flushIntervalMs: number;
  readonly batchRows: number;
  readonly batchBytes: number;
  /** How long, and up to how much, flushed records stay, so that a database that went back can be filled again. */
  readonly keepFlushedMs: number;
  readonly keepFlushedBytes: number;
  /** Past this much that Postgres has not confirmed, new records are refused. */
  readonly maxUnflushedBytes: number;
  /** When an intent without an outcome is closed as `unknown`. */
  readonly orphanAfterMs: number;
  /** How long at least between two checkpoints of the schedule's. */
  readonly checkpointIntervalMs: number;
  /** What the origin of each of the gateway's logs begins with. */
  readonly origin: string;
  readonly signer: SignerKey;
  readonly writerUrl: string;
  /** Where SQL over HTTP is answered, when not at Neon's own address. */
  readonly endpoint?: string;
  readonly sqlTimeoutMs: number;
}
