import fc from 'fast-check';
import { expect, it } from 'vitest';
import { signerKey } from '../../core/note.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import type { StorageFault } from '../storage/testing/store.ts';
import { DAY, intent, MINUTE, outcome, read, refused, SETTINGS } from './testing/entries.ts';
import { POISON, type SinkCall } from './testing/model-sink.ts';
import { World } from './testing/world.ts';

/**
 * Anything in any order: after each step the whole log is verified from scratch, and in the end, with everything
 * mended, Postgres has every record and every request has its answer.
 */
type Step =
  | { readonly do: 'append'; readonly kinds: readonly Kind[]; readonly pick: number }
  | { readonly do: 'retry'; readonly pick: number }
  | { readonly do: 'conflict'; readonly pick: number }
  | { readonly do: 'duties' | 'flush' | 'restart' | 'sign' | 'another key' }
  | { readonly do: 'clock'; readonly by: number }
  | { readonly do: 'storage fails'; readonly fault: StorageFault }
  | { readonly do: 'sink fails'; readonly call: SinkCall; readonly when: 'before' | 'after' }
  | { readonly do: 'sink is late'; readonly turns: readonly number[] }
  | { readonly do: 'no partitions' }
  | { readonly do: 'database back'; readonly lose: number };

type Kind = 'read' | 'poison' | 'intent' | 'outcome' | 'unknown outcome' | 'refused';

const kind = fc.constantFrom<Kind>(
  'read',
  'poison',
  'intent',
  'intent',
  'outcome',
  'outcome',
  'refused',
  'unknown outcome',
);
const pick = fc.nat(1000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      kinds: fc.array(kind, { maxLength: 6 }),
      pick,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('retry' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('conflict' as const), pick }) },
  {
    weight: 9,
    arbitrary: fc
      .constantFrom('duties' as const, 'flush' as const, 'restart' as const)
      .map((name) => ({ do: name })),
  },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('sign' as const, 'sign' as const, 'sign' as const, 'another key' as const)
      .map((name) => ({ do: name })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('clock' as const),
      by: fc.constantFrom(1, 999, 20_000, MINUTE, 3 * MINUTE, 9 * DAY, -1, -3_600_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('storage fails' as const),
      fault: fc.oneof(fc.constantFrom<StorageFault>('commit', 'committed'), fc.integer({ min: 1, max: 8 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('sink fails' as const),
      call: fc.constantFrom<SinkCall>(
        'append',
        'append',
        'state',
        'quarantine',
        'ensurePartitions',
        'lastCheckpoint',
        'storeCheckpoint',
      ),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('sink is late' as const),
      turns: fc.array(fc.nat(3), { minLength: 2, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'no partitions' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('database back' as const), lose: fc.nat(100) }) },
);

const OTHER = signerKey('gateway.test', new Uint8Array(32).fill(2));

/** What the callers of a world do: they count their requests, and wait no longer than a retry is answered for. */
class Callers {
  readonly #world: World;
  #requests = 0;
  #latest: number;
  readonly #intents: string[] = [];
  readonly #since = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    this.#latest = world.clock;
  }

  entry(kind: Kind, pick: number): AppendEntry {
    const id = `q${this.#requests++}`;
    if (kind === 'intent') this.#intents.push(id);
    const of = this.#intents[pick % Math.max(1, this.#intents.length)];
    const made = {
      read: () => read(id),
      poison: () => read(id, { client: POISON }),
      intent: () => intent(id),
      outcome: () => outcome(of ?? id),
      'unknown outcome': () => outcome(id, { log: 'acme~0~1', index: 1_000_000 }),
      refused: () => refused(id, `key${pick % 3}`, pick % 2 ? MINUTE : 10_000),
    }[kind]();
    const before = this.#world.sent.get(made.key);
    // An outcome that was sent so long ago that its key is gone is not sent again.
    if (before && this.#fresh(made.key)) return before.entry;
    const entry = before ? read(id) : made;
    this.#since.set(entry.key, this.now());
    return entry;
  }

  sentLately(): AppendEntry[] {
    return [...this.#world.sent.values()].map(({ entry }) => entry).filter(({ key }) => this.#fresh(key));
  }

  /** Those who got no answer ask on, a minute at most. */
  unanswered(): AppendEntry[] {
    const waiting = this.sentLately().filter(({ key }) => !this.#world.sent.get(key)!.told);
    return waiting.filter(({ key }) => this.now() - this.#since.get(key)! <= MINUTE);
  }

  #fresh(key: string): boolean {
    return this.now() - (this.#since.get(key) ?? this.now()) < 9 * MINUTE;
  }

  /** The latest that the clock has been. */
  now(): number {
    this.#latest = Math.max(this.#latest, this.#world.clock);
    return this.#latest;
  }
}

async function take(world: World, callers: Callers, step: Step): Promise<void> {
  const sent = callers.sentLately();
  switch (step.do) {
    case 'append':
      world.append(...step.kinds.map((kind, i) => callers.entry(kind, step.pick + i)));
      return;
    case 'retry': {
      const again = sent[step.pick % Math.max(1, sent.length)];
      if (again) world.append(again);
      return;
    }
    case 'conflict': {
      const key = sent[step.pick % Math.max(1, sent.length)]?.key;
      if (!key || !world.sent.get(key)?.told) return;
      const other = { ...read(key.split(':')[0]!, { session: 'another' }), key };
      try {
        const [answer] = world.machine.append([other], world.clock);
        if (world.machine.state.fork === null) expect(answer).toEqual({ ok: false, code: 'key_conflict' });
      } catch (error) {
        expect(String(error)).toMatch(/write|commit|answer/);
      }
      return;
    }
    case 'duties':
      world.duties();
      return;
    case 'flush':
      await world.flush();
      return;
    case 'restart':
      world.restart();
      return;
    case 'sign':
      await world.sign();
      return;
    case 'another key':
      world.signer = world.signer === SETTINGS.signer ? OTHER : SETTINGS.signer;
      world.restart();
      return;
    case 'clock':
      world.clock += step.by;
      return;
    case 'storage fails':
      world.store.fail(step.fault);
      return;
    case 'sink fails':
      world.sink.faults.push({ call: step.call, when: step.when });
      return;
    case 'sink is late':
      world.sink.late = [...step.turns];
      return;
    case 'no partitions':
      world.sink.partitionsEnd = world.clock;
      return;
    case 'database back': {
      world.store.undisturbed(() => databaseBack(world, step.lose));
    }
  }
}

/** The database loses its last records, but none that have left the object. */
function databaseBack({ machine, sink, store }: World, lose: number): void {
  const rows = sink.rows(machine.log);
  const [oldest] = store.exec<{ idx: number }>('SELECT idx FROM record ORDER BY idx LIMIT 1');
  const least = oldest?.idx ?? machine.state.size;
  const left = rows.slice(0, Math.max(least, rows.length - lose));
  sink.logs.set(machine.log, left);
  const signed = sink.signed(machine.log).filter(({ size }) => size <= left.length);
  sink.checkpoints.set(machine.log, signed);
}

async function run(steps: readonly Step[]): Promise<void> {
  const world = new World({ batchRows: 4, keepFlushedMs: DAY, keepFlushedBytes: 3000 });
  const callers = new Callers(world);
  for (const next of steps) {
    await take(world, callers, next);
    world.check();
  }
  world.store.disarm();
  world.sink.faults = [];
  world.sink.late = [];
  world.append(...callers.unanswered());
  for (const { key } of callers.unanswered()) throw new Error(`${key} was never answered`);
  // Late enough that records are let go, for which the database is looked at again.
  world.clock = callers.now() + 2 * DAY;
  while (world.duties()!.more);
  await world.settle();
  const answer = await world.sign();
  await world.settle();
  world.check();
  const { size, fork } = world.machine.state;
  expect(fork).toBeNull();
  expect(world.sink.rows(world.machine.log)).toHaveLength(size);
  expect(world.machine.state.openIntents).toBe(0);
  expect(world.store.exec('SELECT key FROM counter')).toEqual([]);
  expect(answer).toMatchObject(size > 0 ? { ok: true, size } : { ok: false, code: 'empty' });
}

it('keeps every promise of the log, whatever fails and in whatever order', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), run), {
    numRuns: Number(process.env.PROPERTY_RUNS ?? 300),
  });
});
