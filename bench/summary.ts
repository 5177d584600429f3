import type { Sample } from './driver.ts';
import type { Cell, Round } from './measure.ts';
import type { Results } from './results.ts';
import { type Spread, spread } from './stats.ts';

/** A cell in a line: medians over the rounds that count, and how far apart they lay. */
export interface Line {
  readonly scenario: string;
  readonly connections: number;
  /** Rounds that count. */
  readonly rounds: number;
  readonly failed: number;
  readonly perSecond: Spread;
  readonly proxyPerSecond: Spread;
  /** Microseconds of CPU for each request. */
  readonly cpuUs: Spread;
  readonly proxyCpuUs: Spread;
  /** CPU of the gateway as a multiple of the null proxy's, each round with its own two neighbours. */
  readonly ratio: Spread;
  readonly p50: Spread;
  readonly p90: Spread;
  readonly p99: Spread;
  /** Milliseconds that a request takes longer than through the null proxy. */
  readonly addedP50: Spread;
  readonly addedP99: Spread;
  /** The most in any round. */
  readonly residentBytes: number;
}

/** `undefined` when no round of the cell counts. */
export function summarise({ scenario, connections, rounds }: Cell): Line | undefined {
  const good = rounds.filter(({ fault }) => fault === undefined);
  if (good.length === 0) return undefined;
  const over = (value: (round: Round) => number) => spread(good.map(value));
  const beside = ({ before, after }: Round, value: (sample: Sample) => number) =>
    (value(before) + value(after)) / 2;
  const cpu = ({ cpuUs }: Sample) => cpuUs;
  const p50 = ({ latency }: Sample) => latency.p50;
  const p99 = ({ latency }: Sample) => latency.p99;
  return {
    scenario,
    connections,
    rounds: good.length,
    failed: rounds.length - good.length,
    perSecond: over(({ gateway }) => gateway.perSecond),
    proxyPerSecond: over((round) => beside(round, ({ perSecond }) => perSecond)),
    cpuUs: over(({ gateway }) => gateway.cpuUs),
    proxyCpuUs: over((round) => beside(round, cpu)),
    ratio: over((round) => round.gateway.cpuUs / beside(round, cpu)),
    p50: over(({ gateway }) => p50(gateway)),
    p90: over(({ gateway }) => gateway.latency.p90),
    p99: over(({ gateway }) => p99(gateway)),
    addedP50: over((round) => p50(round.gateway) - beside(round, p50)),
    addedP99: over((round) => p99(round.gateway) - beside(round, p99)),
    residentBytes: Math.max(...good.map(({ gateway }) => gateway.residentBytes)),
  };
}

/** A table of all lines, for people. */
function table(lines: readonly Line[]): string[] {
  const rows = lines.map((line) => [
    line.scenario,
    String(line.connections),
    line.perSecond.median.toFixed(0),
    line.proxyPerSecond.median.toFixed(0),
    line.cpuUs.median.toFixed(0),
    line.proxyCpuUs.median.toFixed(0),
    withRange(line.ratio, 2),
    line.p50.median.toFixed(2),
    line.p90.median.toFixed(2),
    line.p99.median.toFixed(2),
    (line.residentBytes / 1024 ** 2).toFixed(0),
    counted(line),
  ]);
  const heads = [
    ...['scenario', 'conn', 'req/s', 'null', 'µs CPU', 'null', '× null (min–max)'],
    ...['p50 ms', 'p90', 'p99', 'MiB', 'rounds'],
  ];
  return align([heads, ...rows]);
}

function withRange({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function counted({ rounds, failed }: Line): string {
  return failed > 0 ? `${rounds} of ${rounds + failed}` : String(rounds);
}

/** A run for people: a table for each part that it has. */
export function describe(results: Results): string[] {
  const { lines, refusals = [], floor, micro, build, verification, sink, scale } = results;
  const whole = (spread: Spread) => withRange(spread, 0);
  const refused = refusals.flatMap((cell) => summarise(cell) ?? []);
  const tables = [
    lines.length > 0 ? table(lines) : [],
    refused.length > 0
      ? align([
          ['in turns with reads', 'conn', '× read (min–max)', 'rounds'],
          ...refused.map((line) => [
            ...[line.scenario, String(line.connections), withRange(line.ratio, 2), counted(line)],
          ]),
        ])
      : [],
    floor
      ? align([
          ['the floor: a Worker that', 'conn', 'µs CPU', '× null (min–max)', '+p50 ms', '+p99'],
          ...floor.map(({ text, connections, cpuUs, ratio, addedP50, addedP99 }) => [
            ...[text, String(connections), cpuUs.median.toFixed(0)],
            withRange(ratio, 2),
            ...[addedP50.median.toFixed(2), addedP99.median.toFixed(2)],
          ]),
        ])
      : [],
    micro
      ? align([
          ['micro-bench, µs', 'p50', 'p99'],
          ...micro.map(({ name, p50Us, p99Us }) => [name, p50Us.toFixed(2), p99Us.toFixed(2)]),
        ])
      : [],
    build
      ? [
          `bundle: ${(build.bytes / 1024).toFixed(0)} KiB, ${(build.gzipBytes / 1024).toFixed(0)} KiB gzip; ` +
            `start: ${whole(build.startupMs)} ms of CPU above the null proxy, ` +
            `${whole(build.evaluatedMs)} of it before the first request`,
        ]
      : [],
    verification
      ? [
          `${verification.records} records verified in ${verification.seconds.toFixed(1)} s with ` +
            `${(verification.residentBytes / 1e6).toFixed(0)} MB`,
        ]
      : [],
    sink
      ? [
          `rows/s: flush ${whole(sink.rowsPerSecond)}, in calls of ${whole(sink.rowsPerCall)}; bare insert ` +
            `${whole(sink.barePerSecond)}; insert with all columns ${whole(sink.shapedPerSecond)}`,
        ]
      : [],
    scale
      ? align([
          ['scale', 'size', '× null', '× small'],
          ...scale.map(({ name, size, ratio, beside }) => [
            ...[name, String(size), ratio.toFixed(2), beside.toFixed(2)],
          ]),
        ])
      : [],
  ];
  return tables.filter((rows) => rows.length > 0).flatMap((rows, i) => (i === 0 ? rows : ['', ...rows]));
}

/** Columns of one width: the first to the left, all others to the right. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
