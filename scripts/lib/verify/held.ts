import { parseLogName } from '../../../core/names.ts';
import type { Doubt, LogReport, VerifyOptions } from './verify.ts';

export const HEAD_NOT_CHECKED = 'head not checked: a cut or re-signed log cannot be excluded';
export const NO_LOG = 'no log is here, and nothing from outside says whether there ever was one';
export const ONLY_NAMED =
  'held against nothing but what was given: only --gateway can exclude that a log of another shard, or of a later epoch, ' +
  'is gone altogether';

/** Shards that are named. */
const NAMED = 10;

type Outside = Pick<VerifyOptions, 'heads' | 'gateway'>;

/**
 * What nothing from outside was held against: a log that is here, or a shard of which nothing is.
 * @param current whether everything that the tenant has should be here. A file may be an archive, which lacks whole logs.
 */
export function headDoubts(
  reports: readonly LogReport[],
  { heads, gateway }: Outside,
  current: boolean,
): Doubt[] {
  const doubts: string[] = [];
  const unheld = reports.filter(({ head }) => head === null).map(({ log }) => log);
  if (unheld.length > 0) doubts.push(`${HEAD_NOT_CHECKED} (${unheld.join(', ')})`);
  if (gateway === undefined) {
    const named = [...reports, ...heads];
    if (named.length === 0) doubts.push(NO_LOG);
    const silent = current ? shardsMissing(named) : [];
    if (silent.length > 0) {
      const shards = silent.slice(0, NAMED).join(', ') + (silent.length > NAMED ? ', …' : '');
      doubts.push(`no log of shard ${shards} is here, and no head from outside of one was given`);
    }
  }
  return doubts.map((what) => ({ kind: 'head', what }));
}

/** What even a good verdict does not say: the gateway knows every log, and what somebody kept its own alone. */
export function limitsOf(reports: readonly LogReport[], { gateway }: Outside): string[] {
  return gateway === undefined && reports.some(({ head }) => head !== null) ? [ONLY_NAMED] : [];
}

/** Shards count from 0: where there is one, those below it are written to, too, though nothing may have come to one. */
function shardsMissing(named: readonly { readonly log: string }[]): number[] {
  const shards = new Set(named.map(({ log }) => parseLogName(log)?.shard ?? 0));
  return Array.from({ length: Math.max(0, ...shards) }, (_, shard) => shard).filter(
    (shard) => !shards.has(shard),
  );
}
