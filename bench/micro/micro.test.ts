import { expect, it } from 'vitest';
import { GOALS } from '../goals.ts';
import { measure } from './measure.ts';
import { pureMicros } from './pure.ts';
import { recordMicros } from './records.ts';
import { tokenMicros } from './tokens.ts';

const micros = [...(await tokenMicros()), ...pureMicros(), ...recordMicros()];

it.each(micros.map((micro) => [micro.name, micro] as const))(
  '%s runs, more than once',
  async (_, { run }) => {
    for (let n = 0; n < 3; n++) await run(n);
  },
);

it('has what the goals ask for', () => {
  const results = { lines: [], micro: micros.map(({ name }) => ({ name, p50Us: 15, p99Us: 15 })) };
  const policy = GOALS.filter(({ id }) => id === 'P4').map(({ value }) => value(results as never));
  expect(policy).toEqual([15, 1, 1]);
});

it('measures a call, and of a call that does several things one of them', async () => {
  const wait = (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const line = await measure({ name: 'half a millisecond', run: () => wait(0.5) });
  expect(line.p50Us).toBeGreaterThanOrEqual(500);
  expect(line.p50Us).toBeLessThan(5000);
  let calls = 0;
  const run = () => {
    calls++;
    wait(0.1);
  };
  const tenth = await measure({ name: 'a tenth of it', run, per: 10, most: 60 });
  expect(tenth.p50Us).toBeGreaterThanOrEqual(10);
  expect(tenth.p50Us).toBeLessThan(100);
  expect(calls).toBe(60);
});
