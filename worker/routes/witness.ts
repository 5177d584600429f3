import type { Context } from 'hono';
import { COSIGNED, formatCheckpoint, originOf, parseCheckpoint } from '../../core/checkpoint.ts';
import { parseLogName } from '../../core/names.ts';
import { formatVerifierKey, openNote } from '../../core/note.ts';
import type { RecordMembers } from '../../core/record.ts';
import { NotRecorded, type Recorder } from '../audit/recorder.ts';
import type { Config } from '../config.ts';
import { AuditUnreadable } from '../governance/audit-database.ts';
import type { Checkpoints, Cosignature } from '../governance/checkpoints.ts';
import type { AuditKeysAnswer } from '../governance/proof-schemas.ts';
import { CosignatureBody, MAX_COSIGNATURE_BYTES } from '../governance/requests.ts';
import { checkContentEncoding, checkContentType, readBody } from '../http/body.ts';
import { parseJson } from '../http/json.ts';
import { match } from '../mem0/match.ts';
import { problemResponse } from '../pipeline/answer.ts';
import type { OpenVars, PublicHandler } from '../pipeline/open.ts';
import type { TransportVars } from '../pipeline/transport.ts';
import { Problem } from '../problem.ts';

type Keys = Pick<Config, 'AUDIT_ORIGIN' | 'AUDIT_SIGNING_KEY' | 'AUDIT_WITNESSES' | 'AUDIT_SHARDS'>;

/** `GET /.well-known/mem0-governance/audit-keys`: what checkpoints are verified with. Holds nothing of a tenant. */
export function auditKeys(config: Keys): PublicHandler {
  const { AUDIT_ORIGIN, AUDIT_SIGNING_KEY, AUDIT_WITNESSES } = config;
  const body: AuditKeysAnswer = {
    origin: AUDIT_ORIGIN,
    signing: formatVerifierKey(AUDIT_SIGNING_KEY.signer.verifier),
    verifiers: AUDIT_SIGNING_KEY.verifiers.map(formatVerifierKey),
    witnesses: AUDIT_WITNESSES.map(formatVerifierKey),
    shards: config.AUDIT_SHARDS,
  };
  return (c) => c.json(body);
}

interface WitnessRoute {
  readonly config: Keys & Pick<Config, 'BODY_TIMEOUT_MS'>;
  readonly checkpoints: Checkpoints;
  readonly recorder: Recorder;
  readonly patienceMs: number;
}

/**
 * `POST /governance/v1/audit/{log}/cosignatures`: a witness’s signature under a checkpoint. Nothing is looked up before
 * the signature has proven a configured witness; whoever proves none is a stranger, and recorded as one.
 */
export function postCosignature({ config, checkpoints, recorder, patienceMs }: WitnessRoute): PublicHandler {
  return async (c) => {
    const { target } = c.var.transport;
    const found = match('POST', target.ok ? target.path : '');
    const log = found.kind === 'row' ? found.params.log! : '';
    const read = await readCosignature(c.req.raw, config);
    if (read === undefined) {
      c.set('stranger', 'not_a_witness');
      return undefined;
    }
    try {
      const { origin, cosignature } = read;
      if (origin !== originOf(config.AUDIT_ORIGIN, log)) return refused(c, 'not_found');
      const known = await checkpoints.cosigned(log, cosignature);
      if (known === 'no_checkpoint') return refused(c, 'not_found');
      if (known === 'known') return c.json({ status: 'known' });
      // Recorded first: what is stored is never without its record.
      await record(c, log, cosignature);
      await checkpoints.keepCosignature(log, cosignature);
      return c.json({ status: 'stored' });
    } catch (error) {
      if (error instanceof NotRecorded) return refused(c, 'audit_unavailable');
      if (error instanceof AuditUnreadable) return refused(c, 'proof_unavailable');
      throw error;
    }
  };

  async function record(c: WitnessContext, log: string, { size, key, seconds }: Cosignature): Promise<void> {
    const { tenant, shard } = parseLogName(log)!;
    const { requestId } = c.var.transport;
    const members: RecordMembers = {
      ...{ v: 1, phase: 'event', request_id: requestId, tenant, decision: 'allow' },
      operation: 'governance.audit.cosign',
      dialect: 'governance',
      reasons: [COSIGNED],
      detail: { log, size, witness: key.name, key: key.hash, seconds },
    };
    const entry = { key: `${requestId}:event:${COSIGNED}:1`, members };
    const waitUntil = (promise: Promise<unknown>) => c.executionCtx.waitUntil(promise);
    await recorder.append({ tenant, shard }, entry, waitUntil, patienceMs);
  }
}

type WitnessContext = Context<{ Variables: TransportVars & OpenVars }>;

function refused(c: WitnessContext, code: 'not_found' | 'audit_unavailable' | 'proof_unavailable'): Response {
  return problemResponse(c, new Problem(code, { reason: code }));
}

/** The checkpoint's origin and the signature of a configured witness; `undefined`: the body proves none. */
async function readCosignature(
  request: Request,
  { AUDIT_WITNESSES, BODY_TIMEOUT_MS }: WitnessRoute['config'],
): Promise<{ readonly origin: string; readonly cosignature: Cosignature } | undefined> {
  if (AUDIT_WITNESSES.length === 0) return undefined;
  const { headers } = request;
  if (!checkContentType(headers.get('content-type')).ok) return undefined;
  if (!checkContentEncoding(headers.get('content-encoding')).ok) return undefined;
  const read = await readBody(request.body, MAX_COSIGNATURE_BYTES, AbortSignal.timeout(BODY_TIMEOUT_MS));
  if (!read.ok) return undefined;
  const json = parseJson(read.bytes);
  const body = CosignatureBody.safeParse(json.ok ? json.value : undefined);
  if (!body.success) return undefined;
  const opened = openNote(body.data.note, AUDIT_WITNESSES);
  const checkpoint = opened.ok ? parseCheckpoint(opened.text) : undefined;
  if (!opened.ok || checkpoint === undefined) return undefined;
  const { origin, size, root } = checkpoint;
  // A checkpoint of the gateway's own never has extensions. A signature over any other text would be stored beside a note
  // that it does not fit, for good, and whoever verifies the log would take that for tampering.
  if (opened.text !== formatCheckpoint({ origin, size, root, extensions: [] })) return undefined;
  const [{ key, line, seconds = 0 }] = opened.by as [(typeof opened.by)[number]];
  return { origin, cosignature: { size, root: Buffer.from(root).toString('hex'), key, seconds, line } };
}
