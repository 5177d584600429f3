import type { Orphan, Verdict } from './orphans.ts';

export type Judged = Orphan & Verdict;

/** Of these nobody knows the end; what a correction has told is settled. */
export function unsettled(orphans: readonly Judged[]): number {
  return orphans.filter(({ state }) => state !== 'corrected').length;
}

const COLUMNS: readonly (readonly [heading: string, of: (orphan: Judged) => string])[] = [
  ['time', ({ time }) => time ?? '?'],
  ['operation', ({ operation }) => operation ?? '?'],
  ['actor', ({ actor }) => actor ?? '?'],
  ['intent', ({ intent }) => `${intent.log}/${intent.index}`],
  ['request', ({ request_id }) => request_id],
  ['recorded', ({ state, result }) => (state === 'corrected' ? `corrected: ${result}` : state)],
  ['Mem0', ({ verdict, because }) => `${verdict}: ${because}`],
];

/** The orphans as a table for people, a line each and their ids below. */
export function tableOf(orphans: readonly Judged[]): string[] {
  const rows = [
    COLUMNS.map(([heading]) => heading),
    ...orphans.map((orphan) => COLUMNS.map(([, of]) => printable(of(orphan)))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
  return lines.flatMap((line, at) => {
    const ids = at === 0 ? [] : orphans[at - 1]!.ids;
    return ids.length === 0 ? [line] : [line, `    ids: ${ids.map(printable).join(' ')}`];
  });
}

/** A subject is the identity provider's to choose: nothing of it reaches a terminal as a control. */
function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}
