import type { Results } from './results.ts';
import { type Line, summarise } from './summary.ts';

/** A figure that a run is held against. */
export interface Goal {
  readonly id: string;
  readonly text: string;
  readonly unit: string;
  /** `most`: the value may not be above `limit`; `least`: not below; `below`: it must be below. */
  readonly bound: 'most' | 'least' | 'below';
  readonly limit: number;
  /** `undefined`: the run has not measured it. */
  readonly value: (results: Results) => number | undefined;
}

export interface Verdict {
  readonly goal: Goal;
  readonly value: number | undefined;
  readonly met: boolean;
}

const line = (scenario: string, connections: number, of: (line: Line) => number) => (results: Results) => {
  const found = results.lines.find((one) => one.scenario === scenario && one.connections === connections);
  return found && of(found);
};
const ratio = ({ ratio: { median } }: Line) => median;
/** CPU of a refusal as a share of a governed read's, in turns with it. */
const besideRead = (scenario: string) => (results: Results) => {
  const found = results.refusals?.find((cell) => cell.scenario === scenario);
  return found && summarise(found)?.ratio.median;
};
const micro = (name: string) => (results: Results) => results.micro?.find((one) => one.name === name)?.p50Us;
const over =
  (above: (results: Results) => number | undefined, below: (results: Results) => number | undefined) =>
  (results: Results) => {
    const [a, b] = [above(results), below(results)];
    return a === undefined || b === undefined ? undefined : a / b;
  };
const scale = (name: string) => (results: Results) => results.scale?.find((one) => one.name === name);

const verified = ({ verification }: Results) =>
  verification?.records === 1_000_000 ? verification : undefined;
const megabytes = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 1e6);

const POLICY = micro('policy, input and evaluation');

export const GOALS: readonly Goal[] = [
  most('P1', 'governed read, 32 connections', '× null', 3, line('read', 32, ratio)),
  most('P1', 'governed read, 128 connections', '× null', 2.5, line('read', 128, ratio)),
  most('P1', 'governed write, 32 connections', '× null', 4, line('add', 32, ratio)),
  most('P1', 'governed write, 128 connections', '× null', 4, line('add', 128, ratio)),
  most(
    'P2',
    'latency added to a read, p50',
    'ms',
    1,
    line('read', 1, ({ addedP50 }) => addedP50.median),
  ),
  most(
    'P2',
    'latency added to a read, p99',
    'ms',
    3,
    line('read', 1, ({ addedP99 }) => addedP99.median),
  ),
  most('P4', 'policy, input and evaluation, p50', 'µs', 15, POLICY),
  most(
    'P4',
    'the same with 10,000 tenants in the data',
    '× with none',
    1.1,
    over(micro('policy, 10,000 tenants in its data'), POLICY),
  ),
  most(
    'P4',
    'the same with 1,000 roles in the data',
    '× with four',
    1.1,
    over(micro('policy, 1,000 roles in its data'), POLICY),
  ),
  {
    id: 'P5',
    text: 'flush beside a bare batched insert',
    unit: '× rows/s',
    bound: 'least',
    limit: 0.9,
    value: ({ sink }) => sink?.ratio.median,
  },
  {
    id: 'P5',
    text: 'rows in a call of a flush',
    unit: 'rows',
    bound: 'least',
    limit: 400,
    value: ({ sink }) => sink?.rowsPerCall.median,
  },
  most('P6', 'offline verification of 1,000,000 records', 's', 10, (results) => verified(results)?.seconds),
  most('P6', 'memory of it', 'MB', 300, (results) => megabytes(verified(results)?.residentBytes)),
  most('P7', 'bundle, gzip', 'KiB', 400, ({ build }) => build && build.gzipBytes / 1024),
  most('P7', 'startup, before the first request', 'ms', 50, ({ build }) => build?.evaluatedMs.median),
  most('P7', 'startup, with the first request', 'ms', 50, ({ build }) => build?.startupMs.median),
  most(
    'P8',
    'a read with all tenants existing, 32 active',
    '× with one',
    1.1,
    (results) => scale('tenants')(results)?.beside,
  ),
  most(
    'P8',
    'a read with a long log',
    '× with an empty one',
    1.1,
    (results) => scale('records')(results)?.beside,
  ),
  most('P8', 'load spread over all tenants', '× null', 6, (results) => scale('spread')(results)?.ratio),
  {
    id: 'P9',
    text: 'denied beside a read',
    unit: '× read',
    bound: 'below',
    limit: 1,
    value: besideRead('denied'),
  },
  {
    id: 'P9',
    text: 'rate limited beside a read',
    unit: '× read',
    bound: 'below',
    limit: 1,
    value: besideRead('limited'),
  },
  {
    id: 'P9',
    text: 'unauthenticated beside a read',
    unit: '× read',
    bound: 'below',
    limit: 1,
    value: besideRead('unauthenticated'),
  },
];

function most(id: string, text: string, unit: string, limit: number, value: Goal['value']): Goal {
  return { id, text, unit, bound: 'most', limit, value };
}

/** Every goal beside what a run says of it. What was not measured is not met. */
export function hold(results: Results): Verdict[] {
  return GOALS.map((goal) => {
    const value = goal.value(results);
    return { goal, value, met: value !== undefined && meets(goal, value) };
  });
}

function meets({ bound, limit }: Goal, value: number): boolean {
  if (bound === 'most') return value <= limit;
  return bound === 'least' ? value >= limit : value < limit;
}

const WORDS = { most: '≤', least: '≥', below: '<' } as const;

/** A verdict's cells: the goal, what it should be, what it is, and how far that is from it. */
export function cellsOf({ goal: { id, text, unit, bound, limit }, value, met }: Verdict): string[] {
  const wanted = `${WORDS[bound]} ${limit} ${unit}`;
  if (value === undefined) return [text, id, wanted, '', 'not measured'];
  const distance = bound === 'least' ? limit / value : value / limit;
  return [text, id, wanted, value.toPrecision(3), met ? 'met' : `${distance.toFixed(2)} × away`];
}
