import type { LogReport, Report } from './verify.ts';

export const EXIT_CODES = { good: 0, tampering: 1, unchecked: 2 } as const;

/** Unpaired records that are named; the others are counted. */
const NAMED = 10;

/** What a verification came to, in lines; the last one says it in a word. */
export function reportLines(report: Report): string[] {
  const { verdict, logs, first, faults, unchecked, limits, intents, closings } = report;
  const places = (unpaired: typeof intents) =>
    unpaired
      .slice(0, NAMED)
      .map(({ log, index }) => `${log}/${index}`)
      .concat(unpaired.length > NAMED ? ['…'] : [])
      .join(', ');
  return [
    ...logs.map(logLine),
    ...(intents.length > 0 ? [`${intents.length} intents without an outcome: ${places(intents)}`] : []),
    ...(closings.length > 0 ? [`${closings.length} outcomes without their intent: ${places(closings)}`] : []),
    ...faults.slice(1).map((fault) => `also: ${faultWords(fault)}`),
    ...unchecked.map(({ kind, what }) => (kind === 'source' ? `not checked: ${what}` : what)),
    ...limits,
    first
      ? `tampering: ${faultWords(first)}`
      : verdict === 'good'
        ? 'good'
        : 'not everything could be checked',
  ];
}

function logLine({ log, start, end, records, quarantined, checkpoints, covered, head }: LogReport): string {
  const range = start > 0 ? ` from ${start} on` : '';
  const open = end - Math.max(covered, start);
  return [
    `${log}: ${count(records, 'record')}${range}, ${count(checkpoints, 'checkpoint')}`,
    ...(quarantined > 0 ? [`${quarantined} quarantined`] : []),
    open > 0 ? `${open} not yet covered` : 'all covered',
    head ? `held against ${head.by} up to ${head.size}` : 'not held against anything from outside',
  ].join(', ');
}

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

function faultWords({ log, index, last, what }: NonNullable<Report['first']>): string {
  if (index === undefined) return `${log}: ${what}`;
  return last === undefined ? `${log}/${index}: ${what}` : `${log}, from ${index} to ${last}: ${what}`;
}
