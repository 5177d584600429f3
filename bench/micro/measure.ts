import { median, percentile } from '../stats.ts';
import type { MicroLine } from './types.ts';

/** What is measured: once set up, called again and again. */
export interface Micro {
  readonly name: string;
  /** Each call is another one's input where it matters: `n` counts them. */
  readonly run: (n: number) => unknown;
  /** How many of what the name says a call does. */
  readonly per?: number;
  /** No more calls than this, warm-up included, and no second pass: there are no more inputs. */
  readonly most?: number;
}

const WARM_MS = 100;
const MEASURE_MS = 200;
/** A sample is at least so long, in milliseconds: reading the clock takes about 40 ns. */
const SAMPLE_MS = 0.004;

/** A busy neighbour slows everything for seconds: what is measured several times is so with all others in between. */
const PASSES = 5;

/** Each in every pass; its figures are the medians over passes. */
export async function measureAll(micros: readonly Micro[]): Promise<MicroLine[]> {
  const taken = micros.map((): MicroLine[] => []);
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [at, micro] of micros.entries()) {
      if (pass === 0 || micro.most === undefined) taken[at]!.push(await measure(micro));
    }
  }
  return micros.map(({ name }, at) => ({
    name,
    p50Us: median(taken[at]!.map(({ p50Us }) => p50Us)),
    p99Us: median(taken[at]!.map(({ p99Us }) => p99Us)),
  }));
}

/** Samples of single calls; of several in a row where one is too short to be timed. Promises are awaited one by one. */
export async function measure({
  name,
  run,
  per = 1,
  most = Number.POSITIVE_INFINITY,
}: Micro): Promise<MicroLine> {
  let n = 0;
  const warmed = performance.now();
  while (performance.now() - warmed < WARM_MS && n < most / 3) await run(n++);
  const batch = most < Number.POSITIVE_INFINITY ? 1 : Math.max(1, Math.ceil(SAMPLE_MS / callMs(warmed, n)));
  const samples: number[] = [];
  const begin = performance.now();
  while (performance.now() - begin < MEASURE_MS && n < most) {
    const before = performance.now();
    for (let i = 0; i < batch; i++) {
      const result = run(n++);
      if (result instanceof Promise) await result;
    }
    samples.push(performance.now() - before);
  }
  const sorted = samples.sort((a, b) => a - b);
  const us = (q: number) => (percentile(sorted, q) / batch / per) * 1000;
  return { name, p50Us: us(0.5), p99Us: us(0.99) };
}

function callMs(since: number, calls: number): number {
  return (performance.now() - since) / Math.max(1, calls);
}
