import { expect, it } from 'vitest';
import { compare } from './compare.ts';
import type { Sample } from './driver.ts';
import { cellsOf, GOALS, hold } from './goals.ts';
import type { Cell } from './measure.ts';
import type { Results } from './results.ts';
import { median, percentile } from './stats.ts';
import { describe, summarise } from './summary.ts';

const sample = (cpuUs: number, p50 = 1): Sample => ({
  requests: 100,
  perSecond: 1e6 / cpuUs,
  cpuUs,
  latency: { p50, p90: 2 * p50, p99: 3 * p50, max: 9 },
  residentBytes: 2 ** 20 * cpuUs,
});
const cell = (scenario: string, connections: number, ...cpu: number[]): Cell => ({
  scenario,
  connections,
  rounds: cpu.map((each) => ({ before: sample(100), gateway: sample(each, 4), after: sample(300) })),
});
const results = (cells: readonly Cell[], more: Partial<Results> = {}): Results => ({
  version: 1,
  at: '2026-01-01T00:00:00.000Z',
  commit: 'x',
  machine: {
    ...{ cpu: 'one', cores: 2, memoryBytes: 1, kernel: '6', node: '24', workerd: '1' },
    ...{ loadBefore: 0, pinned: true, storage: 'disk' },
  },
  roundMs: 1000,
  lines: cells.map((each) => summarise(each)!),
  cells,
  ...more,
});

it('takes medians and percentiles that were measured', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  expect([0.5, 0.9, 0.99, 1].map((q) => percentile(hundred, q))).toEqual([50, 90, 99, 100]);
});

it('holds each round against its own neighbours, and takes the median', () => {
  const line = summarise(cell('read', 32, 500, 600, 900))!;
  expect(line).toMatchObject({ rounds: 3, failed: 0, ratio: { median: 3, min: 2.5, max: 4.5 } });
  expect(line).toMatchObject({
    addedP50: { median: 3 },
    addedP99: { median: 9 },
    residentBytes: 2 ** 20 * 900,
  });
});

it('counts a failed round for nothing', () => {
  const { rounds, ...rest } = cell('read', 32, 600, 100);
  const failed = { ...rest, rounds: [rounds[0]!, { ...rounds[1]!, fault: 'lost one' }] };
  expect(summarise(failed)).toMatchObject({ rounds: 1, failed: 1, cpuUs: { median: 600, min: 600 } });
  expect(describe(results([failed])).at(-1)).toContain('1 of 2');
  expect(summarise({ ...rest, rounds: [failed.rounds[1]!] })).toBeUndefined();
});

it('says of a change that may be chance that it may be, and of another that it is not', () => {
  const before = results([cell('read', 32, 500, 600, 700), cell('add', 32, 900)]);
  const after = results([cell('read', 32, 560, 660, 700), cell('add', 32, 450)]);
  const [heads, read, add] = compare(before, after);
  expect(heads).toMatch(/^scenario/);
  expect(read).toContain('~+10 %');
  expect(add).toMatch(/ −50 %/);
  const elsewhere = { ...after, machine: { ...after.machine, cpu: 'two' } };
  expect(compare(before, elsewhere)[0]).toBe('Not the same cpu: one and two.');
});

it('names each goal of the bench, and takes none for met that was not measured', () => {
  expect([...new Set(GOALS.map(({ id }) => id))]).toEqual(['P1', 'P2', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9']);
  expect(hold(results([])).filter(({ met }) => met)).toEqual([]);
});

it('says how far a goal is away, whichever side it must be on', () => {
  const spread = (value: number) => ({ median: value, min: value, max: value });
  const sink = {
    rowsPerSecond: spread(1),
    barePerSecond: spread(2),
    shapedPerSecond: spread(2),
    ratio: spread(0.45),
    rowsPerCall: spread(400),
  };
  const cells = [cell('read', 32, 900), cell('read', 128, 500)];
  const refusals = [cell('denied', 32, 200), cell('limited', 32, 100)];
  const said = hold(results(cells, { sink, refusals })).map(cellsOf);
  const of = (text: string) => said.find(([name]) => name === text)!.slice(1);
  expect(of('governed read, 32 connections')).toEqual(['P1', '≤ 3 × null', '4.50', '1.50 × away']);
  expect(of('governed read, 128 connections').at(-1)).toBe('met');
  expect(of('flush beside a bare batched insert').at(-1)).toBe('2.00 × away');
  expect(of('rows in a call of a flush').at(-1)).toBe('met');
  expect(of('denied beside a read').at(-1)).toBe('1.00 × away');
  expect(of('rate limited beside a read').at(-1)).toBe('met');
});
