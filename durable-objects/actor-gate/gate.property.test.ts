import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { GateAnswer, GateRequest } from '../../core/rpc.ts';
import { type Fault, Model, SimulatedObject } from './gate.simulation.ts';

/** Short windows and small limits: a schedule of some dozen steps fills and empties them several times. */
const WINDOW_MS = 100;
const SLOTS = 3;
const TIMEOUT_MS = 60_000;

interface Ask {
  readonly do: 'ask';
  readonly kind: GateRequest['kind'];
  readonly weight: number;
  readonly limit: number;
  readonly windowMs: number;
  /** What happens to this request's write, if it has one. */
  readonly fault: Fault | undefined;
  /** Waits for exactly as long as a refusal says, and looks a millisecond before it. */
  readonly patient: boolean;
}
type Step =
  | Ask
  | { readonly do: 'retry'; readonly back: number }
  | { readonly do: 'wait' | 'jump'; readonly ms: number }
  | { readonly do: 'restart' };

interface Weather {
  readonly windows?: readonly number[];
  readonly retries?: boolean;
  readonly restarts?: boolean;
  readonly jumps?: boolean;
}

function schedules({ windows = [WINDOW_MS], retries, restarts, jumps }: Weather): fc.Arbitrary<Step[]> {
  const ask: fc.Arbitrary<Step> = fc.record({
    do: fc.constant('ask' as const),
    kind: fc.constantFrom('request' as const, 'request' as const, 'request' as const, 'invalid' as const),
    weight: fc.constantFrom(1, 1, 1, 2, 3, 5, 9),
    limit: fc.constantFrom(1, 2, 4, 8, 8, 8, 20, 50 * SLOTS),
    windowMs: fc.constantFrom(...windows),
    fault: restarts
      ? fc.constantFrom(undefined, undefined, undefined, 'lost', 'persisted')
      : fc.constant(undefined),
    patient: fc.nat(5).map((n) => n === 0),
  });
  const others: fc.Arbitrary<Step>[] = [
    fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(9), fc.nat(60), fc.nat(260)) }),
  ];
  if (retries) others.push(fc.record({ do: fc.constant('retry' as const), back: fc.nat(6) }));
  if (restarts) others.push(fc.constant({ do: 'restart' as const }));
  if (jumps)
    others.push(fc.record({ do: fc.constant('jump' as const), ms: fc.integer({ min: -400, max: 250 }) }));
  return fc.array(
    fc.oneof({ arbitrary: ask, weight: 8 }, ...others.map((arbitrary) => ({ arbitrary, weight: 2 }))),
    {
      minLength: 10,
      maxLength: 60,
    },
  );
}

/** How the model tells the time: `object` reads it; `elapsed` is what the world has seen pass. */
type Timeline = (object: SimulatedObject, elapsed: number) => number;

class Trial {
  readonly object = new SimulatedObject(SLOTS);
  readonly tally = { admitted: 0, refused: 0, early: 0, retried: 0 };
  readonly #models = { request: new Model(), invalid: new Model() };
  readonly #kept = { request: 0, invalid: 0 };
  readonly #time: Timeline;
  /** Whether the model and the gate agree to the millisecond, unknown weight after a restart apart. */
  readonly #exact: boolean;
  readonly #answers = new Map<string, { at: number; answer: GateAnswer | undefined }>();
  readonly #asked: GateRequest[] = [];
  #sinceStart = new Set<string>();
  #starts = 0;
  #startedAt = Number.NEGATIVE_INFINITY;
  #elapsed = 0;

  constructor(time: Timeline, exact: boolean) {
    this.#time = time;
    this.#exact = exact;
  }

  take(step: Step): void {
    if (step.do === 'ask') this.#ask(step);
    if (step.do === 'retry') {
      const request = this.#asked.at(-1 - step.back);
      if (request !== undefined) this.#send(request);
    }
    if (step.do === 'wait') this.#wait(step.ms);
    if (step.do === 'jump') {
      this.object.wall += step.ms;
      this.#elapsed += Math.max(0, step.ms);
    }
    if (step.do === 'restart') this.object.restart();
  }

  /** After a window of silence there is room for everything: nothing is frozen, whatever the clock did. */
  end(): void {
    const probe = { do: 'ask', kind: 'request', windowMs: 250, fault: undefined, patient: false } as const;
    this.#ask({ ...probe, weight: 1, limit: 1 });
    this.#wait(250);
    expect(this.#ask({ ...probe, weight: 20, limit: 20 })?.admitted).toBe(true);
  }

  #wait(ms: number): void {
    this.object.wall += ms;
    this.#elapsed += ms;
  }

  #ask({ kind, weight, limit, windowMs, fault, patient }: Ask): GateAnswer | undefined {
    const request = { id: `r${this.#asked.length}`, kind, weight, limit, windowMs };
    this.#asked.push(request);
    const answer = this.#send(request, fault);
    if (patient && answer?.admitted === false && weight <= limit) {
      this.#wait(answer.retryAfterMs - 1);
      expect(this.#send(request)?.admitted).toBe(false);
      this.#wait(1);
      expect(this.#send(request)?.admitted).toBe(true);
    }
    return answer;
  }

  #send(request: GateRequest, fault?: Fault): GateAnswer | undefined {
    const { id, kind, weight, limit, windowMs } = request;
    const model = this.#models[kind];
    const now = this.#time(this.object, this.#elapsed);
    if (!this.object.running) {
      this.#sinceStart = new Set();
      // The first start follows nothing that could be unknown.
      if (this.#starts++ > 0) this.#startedAt = now;
    }
    this.#kept[kind] = Math.max(this.#kept[kind], windowMs);
    model.forget(now - this.#kept[kind]);
    const first = this.#answers.get(id);
    const remembered =
      first !== undefined &&
      first.at > now - windowMs &&
      (this.#sinceStart.has(id) || this.object.durable(kind).some((stamp) => stamp.id === id));
    const used = model.used(now, windowMs);
    const writes = this.object.writes;
    const answer = this.object.admit(request, fault);

    if (remembered) {
      this.tally.retried++;
      expect(answer?.admitted).toBe(true);
      if (first.answer !== undefined) expect(answer).toEqual(first.answer);
      return answer;
    }
    if (answer?.admitted || this.object.writes > writes) {
      this.tally.admitted++;
      expect(used + weight).toBeLessThanOrEqual(limit);
      model.add(now, weight);
      this.#answers.set(id, { at: now, answer });
      if (answer) this.#sinceStart.add(id);
    }
    if (answer && this.#exact) this.#compare(request, answer, now, used);
    return answer;
  }

  #compare(
    { kind, limit, weight, windowMs }: GateRequest,
    answer: GateAnswer,
    now: number,
    used: number,
  ): void {
    const model = this.#models[kind];
    const unknown = this.#startedAt > now - windowMs ? SLOTS : 0;
    const left = limit - used - (answer.admitted ? weight : 0);
    expect(answer.limit).toBe(limit);
    expect(answer.remaining).toBeLessThanOrEqual(Math.max(0, left));
    expect(answer.remaining).toBeGreaterThanOrEqual(Math.max(0, left - unknown));
    if (!answer.admitted) {
      this.tally.refused++;
      expect(used + weight + unknown).toBeGreaterThan(limit);
      if (used + weight <= limit) this.tally.early++;
    }
    if (unknown > 0) return;
    expect(answer.resetMs).toBe(model.resetIn(now, windowMs));
    const wait = weight > limit ? windowMs : answer.admitted ? 0 : model.roomIn(now, windowMs, weight, limit);
    expect(answer.retryAfterMs).toBe(wait);
  }
}

function check(weather: Weather, timeline: () => Timeline, exact: boolean, numRuns: number) {
  const total = { admitted: 0, refused: 0, early: 0, retried: 0 };
  fc.assert(
    fc.property(schedules(weather), (steps) => {
      const trial = new Trial(timeline(), exact);
      for (const step of steps) trial.take(step);
      trial.end();
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += trial.tally[key];
    }),
    { numRuns },
  );
  return total;
}

const wallClock: Timeline = (object) => object.wall;

/** What a clock that never goes back makes of the wall clock's readings. */
function readings(): Timeline {
  let last: number | undefined;
  let shown = 0;
  return ({ wall }) => {
    shown += Math.max(0, wall - (last ?? wall));
    last = wall;
    return shown;
  };
}

it('agrees with the model, restarts and failed writes included', { timeout: TIMEOUT_MS }, () => {
  const total = check({ retries: true, restarts: true }, () => wallClock, true, 4000);
  // The schedules reach what they are for.
  expect(total.admitted).toBeGreaterThan(10_000);
  expect(total.refused).toBeGreaterThan(10_000);
  expect(total.early).toBeGreaterThan(100);
  expect(total.retried).toBeGreaterThan(1000);
});

it('agrees with the model to the millisecond while it runs, whatever the clock does', {
  timeout: TIMEOUT_MS,
}, () => {
  const total = check(
    { windows: [40, WINDOW_MS, WINDOW_MS, 250], retries: true, jumps: true },
    readings,
    true,
    3000,
  );
  expect(total.early).toBe(0);
  expect(total.refused).toBeGreaterThan(5000);
});

it('never admits more than the limit in time that has passed, whatever happens', {
  timeout: TIMEOUT_MS,
}, () => {
  const total = check({ restarts: true, jumps: true }, () => (_object, elapsed) => elapsed, false, 3000);
  expect(total.admitted).toBeGreaterThan(10_000);
});
