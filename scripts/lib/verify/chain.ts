import { sameHash } from '../../../core/merkle.ts';
import type { Fault } from './sections.ts';
import type { Segment } from './segment.ts';
import type { Doubt, LogReport } from './verify.ts';

/**
 * Parts of one log follow each other without a gap, and each begins with the tree that the one before ends with. That two
 * overlap is a slip of whoever gave them: each is checked by itself, and nothing says that they are one log.
 */
export function joints(parts: readonly Segment[]): { readonly faults: Fault[]; readonly doubts: Doubt[] } {
  const faults: Fault[] = [];
  const doubts: Doubt[] = [];
  for (const [i, { log, start, end, startFrontier }] of parts.entries()) {
    const before = parts[i - 1];
    if (before === undefined) continue;
    if (before.end < start) {
      faults.push({ log, index: before.end, last: start - 1, what: 'records between two parts are missing' });
    } else if (before.end > start) {
      const twice = `${log} from ${start} to ${Math.min(end, before.end)} was given twice: give each part once`;
      doubts.push({ kind: 'part', what: twice });
    } else if (before.tree !== undefined) {
      const own = before.tree.hashes;
      const same =
        own.length === startFrontier.length && own.every((hash, k) => sameHash(hash, startFrontier[k]!));
      if (!same) faults.push({ log, index: start, what: 'it does not go on from the part before it' });
    }
  }
  return { faults, doubts };
}

/** A log's first record names the epoch that was closed before it, so what holds the one holds the other. */
export function chain(
  reports: readonly LogReport[],
  logs: ReadonlyMap<string, readonly Segment[]>,
  faults: Fault[],
): LogReport[] {
  const chained = [...reports];
  for (const report of reports.toReversed()) {
    const closed = logs.get(report.log)?.[0]?.closed;
    if (closed === undefined) continue;
    const at = chained.findIndex(({ log }) => log === closed.log);
    const parts = logs.get(closed.log);
    if (at < 0 || parts === undefined) {
      if (closed.size > 0) {
        const what = `the log is missing: ${report.log} says that it had ${closed.size} records`;
        faults.push({ log: closed.log, index: 0, last: closed.size - 1, what });
      }
      continue;
    }
    const last = parts.at(-1)!;
    const who = `${report.log}, which closed it,`;
    if (last.end < closed.size) {
      const what = `records are missing: ${who} says that it had ${closed.size}`;
      faults.push({ log: closed.log, index: last.end, last: closed.size - 1, what });
    } else if (last.end > closed.size) {
      faults.push({
        log: closed.log,
        index: closed.size,
        what: `a record is beyond the end that ${who} states`,
      });
    } else if (last.tree && Buffer.from(last.tree.root).toString('hex') !== closed.root) {
      const what = `the records are not those that ${who} closed`;
      faults.push({ log: closed.log, index: last.covered, last: closed.size - 1, what });
    } else if (chained.find(({ log }) => log === report.log)?.head && chained[at]!.head === null) {
      chained[at] = { ...chained[at]!, head: { size: closed.size, by: report.log } };
    }
  }
  return chained;
}
