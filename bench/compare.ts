import type { Machine, Results } from './results.ts';
import type { Spread } from './stats.ts';
import { align, type Line } from './summary.ts';

/** Members of the machine that make figures of two runs no comparison. */
const SAME = ['cpu', 'cores', 'workerd', 'pinned', 'storage'] as const satisfies readonly (keyof Machine)[];

/**
 * Two runs beside each other, a row for each cell that both have: the ratio to the null proxy, which is what can be
 * compared, and CPU and latency, which can be on one quiet machine.
 */
export function compare(a: Results, b: Results): string[] {
  const notes = SAME.filter((name) => a.machine[name] !== b.machine[name]).map(
    (name) => `Not the same ${name}: ${a.machine[name]} and ${b.machine[name]}.`,
  );
  const pairs = a.lines.flatMap((line) => {
    const other = b.lines.find((one) => key(one) === key(line));
    return other ? [[line, other] as const] : [];
  });
  const rows = pairs.map(([one, other]) => [
    ...[one.scenario, String(one.connections)],
    ...[one.ratio.median.toFixed(2), other.ratio.median.toFixed(2), change(one.ratio, other.ratio)],
    ...[one.cpuUs.median.toFixed(0), other.cpuUs.median.toFixed(0), change(one.cpuUs, other.cpuUs)],
    ...[one.p50.median.toFixed(2), other.p50.median.toFixed(2), change(one.p50, other.p50)],
  ]);
  const heads = [
    ...['scenario', 'conn', '× null A', 'B', 'change'],
    ...['µs CPU A', 'B', 'change', 'p50 ms A', 'B', 'change'],
  ];
  return [...notes, ...align([heads, ...rows])];
}

function key({ scenario, connections }: Line): string {
  return `${scenario} ${connections}`;
}

/** How much B is above A; `~` when what was seen of the two overlaps, so that it may be chance. */
function change(a: Spread, b: Spread): string {
  const percent = (b.median / a.median - 1) * 100;
  const chance = a.min <= b.max && b.min <= a.max;
  return `${chance ? '~' : ''}${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(0)} %`;
}
