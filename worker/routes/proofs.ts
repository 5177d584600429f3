import { parseLogName } from '../../core/names.ts';
import type { SignedCheckpoint } from '../../core/rpc.ts';
import { AuditUnreadable } from '../governance/audit-database.ts';
import type { AuditReader } from '../governance/audit-reader.ts';
import type { Checkpoints } from '../governance/checkpoints.ts';
import type {
  CheckpointAnswerBody,
  ConsistencyAnswer,
  LogsAnswer,
  ReceiptAnswer,
} from '../governance/proof-schemas.ts';
import { REASONS } from '../mem0/reasons.ts';
import { invalid } from '../mem0/understand.ts';
import type { Governed, GovernedHandler } from '../pipeline/govern.ts';
import { findOwn, findPlace, missing } from './audit.ts';
import { readable } from './readable.ts';

interface ProofRoutes {
  readonly reader: AuditReader;
  readonly checkpoints: Checkpoints;
}

/** `GET /governance/v1/audit/logs`: every log that the tenant ever had. */
export function listLogs({ checkpoints }: Pick<ProofRoutes, 'checkpoints'>): GovernedHandler {
  return async ({ principal }) => {
    const body: LogsAnswer = { logs: [...(await provable(() => checkpoints.logs(principal.tenant)))] };
    return { body };
  };
}

/** `GET /governance/v1/audit/{log}/checkpoint`: the last signed checkpoint, or one signed now. */
export function getCheckpoint({ checkpoints }: Pick<ProofRoutes, 'checkpoints'>): GovernedHandler {
  return async ({ request, principal }) => {
    const { log } = request.params as { log: string };
    const fresh = request.query.fresh === 'true';
    const found = await provable(() => checkpoints.last(principal.tenant, log, 1, fresh));
    if (found === undefined) throw missing('no_checkpoint');
    const body: CheckpointAnswerBody = { log, ...answerOf(found) };
    return { body, touched: [log] };
  };
}

/**
 * `GET …/{log}/{index}/proof`: a record with the proof that it is in its log, as a file that stands by itself. Of an
 * archived record it proves the hash, and names the archive.
 */
export function getProof(whose: 'tenant' | 'own', { reader, checkpoints }: ProofRoutes): GovernedHandler {
  return async (governed) => {
    const found = await (whose === 'own' ? findOwn : findPlace)(reader, governed);
    const { log, index } = found;
    const what = 'archive' in found ? { archive: found.archive } : { canonical: found.canonical };
    const tenant = parseLogName(log)!.tenant;
    const { checkpoint, inclusion } = await provable(async () => {
      const last = await checkpoints.last(tenant, log, index + 1, false);
      if (last === undefined) throw new AuditUnreadable();
      return { checkpoint: last, inclusion: await checkpoints.inclusion({ log, index }, last.size) };
    });
    const body: ReceiptAnswer = {
      ...{ log, index, ...what, leaf: inclusion.leaf, proof: [...inclusion.proof] },
      checkpoint: answerOf(checkpoint),
    };
    return { body, touched: [`${log}/${index}`] };
  };
}

/** `GET /governance/v1/audit/{log}/consistency`: that the log of one size is the beginning of the log of another. */
export function getConsistency({ checkpoints }: Pick<ProofRoutes, 'checkpoints'>): GovernedHandler {
  return async ({ request, principal }) => {
    const { log } = request.params as { log: string };
    const [from, to] = [sizeOf(request, 'from'), sizeOf(request, 'to')];
    if (from > to) {
      throw invalid('invalid_query', 'out_of_range', { detail: REASONS.out_of_range, pointer: '/from' });
    }
    const proof = await provable(() => checkpoints.consistency(principal.tenant, log, from, to));
    if (proof === undefined) throw missing('no_such_size');
    const body: ConsistencyAnswer = { log, from, to, proof: [...proof] };
    return { body, touched: [log] };
  };
}

function sizeOf({ query }: Governed['request'], name: 'from' | 'to'): number {
  const value = query[name];
  if (value !== undefined) return Number(value);
  throw invalid('invalid_query', 'missing', { detail: REASONS.missing, pointer: `/${name}` });
}

function answerOf({ size, root, note, signedMs }: SignedCheckpoint): ReceiptAnswer['checkpoint'] {
  return { size, root, note, signed_at: new Date(signedMs).toISOString() };
}

function provable<T>(run: () => Promise<T>): Promise<T> {
  return readable(run, 'proof_unavailable');
}
