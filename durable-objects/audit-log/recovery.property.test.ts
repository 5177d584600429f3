import fc from 'fast-check';
import { it } from 'vitest';
import type { AppendEntry } from '../../core/rpc.ts';
import type { StorageFault } from '../storage/testing/store.ts';
import { allLogs, checkEpochs, leafOf, leavesBefore, type Told } from './testing/check-epochs.ts';
import { DAY, intent, MINUTE, outcome, read } from './testing/entries.ts';
import type { SinkCall } from './testing/model-sink.ts';
import { World } from './testing/world.ts';

/** Storage of both sides goes back, in any order, with faults between; in the end the log goes on and is whole. */
type Step =
  | {
      readonly do: 'append';
      readonly kinds: readonly ('read' | 'intent' | 'outcome')[];
      readonly pick: number;
    }
  | { readonly do: 'flush' | 'restart' | 'duties' | 'keep object' }
  | { readonly do: 'object back' }
  | { readonly do: 'database back'; readonly lose: number }
  | { readonly do: 'clock'; readonly by: number }
  | { readonly do: 'storage fails'; readonly fault: StorageFault }
  | { readonly do: 'sink fails'; readonly call: SinkCall; readonly when: 'before' | 'after' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      kinds: fc.array(fc.constantFrom('read' as const, 'intent' as const, 'outcome' as const), {
        maxLength: 5,
      }),
      pick: fc.nat(100),
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(
        'flush' as const,
        'flush' as const,
        'restart' as const,
        'duties' as const,
        'keep object' as const,
      )
      .map((name) => ({ do: name })),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'object back' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('database back' as const), lose: fc.nat(8) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('clock' as const),
      by: fc.constantFrom(20_000, MINUTE, 11 * MINUTE, 8 * DAY),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('storage fails' as const),
      fault: fc.oneof(fc.constantFrom<StorageFault>('commit', 'committed'), fc.integer({ min: 1, max: 12 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('sink fails' as const),
      call: fc.constantFrom<SinkCall>('append', 'state', 'records', 'records', 'close'),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
);

class Run {
  readonly world = new World();
  told: Told[] = [];
  #kept: ReturnType<World['store']['snapshot']>;
  #requests = 0;
  readonly #intents: string[] = [];

  constructor() {
    this.#append([read('first')]);
    this.#kept = this.world.store.snapshot();
  }

  async take(step: Step): Promise<void> {
    const { world } = this;
    switch (step.do) {
      case 'append':
        return this.#append(step.kinds.map((kind, i) => this.#entry(kind, step.pick + i)));
      case 'flush':
        return void (await world.flush());
      case 'restart':
        return world.restart();
      case 'duties':
        return void world.duties();
      case 'keep object':
        this.#kept = world.store.snapshot();
        return;
      case 'object back':
        world.store.disarm();
        world.store.restore(this.#kept);
        world.sent.clear();
        world.restart();
        return this.#forget();
      case 'database back': {
        // Only the newest epoch: what a database loses of a closed one the object no longer has.
        world.store.disarm();
        const log = [...world.sink.logs.keys()].sort().at(-1) ?? world.machine.log;
        const rows = world.sink.rows(log);
        if (world.machine.nextStep()) return;
        const left = rows.slice(0, Math.max(0, rows.length - step.lose));
        if (left.length > 0) world.sink.logs.set(log, left);
        else world.sink.logs.delete(log);
        return this.#forget();
      }
      case 'clock':
        world.clock += step.by;
        return;
      case 'storage fails':
        return world.store.fail(step.fault);
      case 'sink fails':
        world.sink.faults.push({ call: step.call, when: step.when });
    }
  }

  /** Everything is mended, and time passes. */
  async end(): Promise<void> {
    const { world } = this;
    world.store.disarm();
    world.sink.faults = [];
    for (let turn = 0; turn < 40; turn++) {
      world.duties();
      // A database that went back is seen at the latest with the next record.
      if (turn === 5) world.append(read('last'));
      await world.flush();
      world.clock += MINUTE;
    }
    await world.settle();
    checkEpochs(world, this.told);
  }

  #append(entries: AppendEntry[]): void {
    this.world.append(...entries)?.forEach((answer) => {
      if (answer.ok) this.told.push(answer);
    });
  }

  #entry(kind: 'read' | 'intent' | 'outcome', pick: number): AppendEntry {
    const id = `q${this.#requests++}`;
    if (kind === 'intent') this.#intents.push(id);
    if (kind === 'intent') return intent(id);
    const [of] = this.#intents.splice(pick % Math.max(1, this.#intents.length), 1);
    return kind === 'outcome' && of !== undefined ? outcome(of) : read(id);
  }

  /** What neither side holds any more nobody can bring back. */
  #forget(): void {
    const { sink, store } = this.world;
    const there = new Set<string>();
    for (const rows of sink.logs.values()) for (const { text } of rows) this.#add(there, text);
    for (const { text } of store.undisturbed(() => store.exec<{ text: string }>('SELECT text FROM record'))) {
      this.#add(there, text);
    }
    this.told = this.told.filter(({ leaf }) => there.has(leaf));
  }

  #add(there: Set<string>, text: string): void {
    there.add(leafOf(text));
    for (const leaf of leavesBefore(text)) there.add(leaf);
  }
}

it('keeps every record that either side still had, once, whatever goes back and fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const run = new Run();
      for (const each of steps) await run.take(each);
      await run.end();
      if (allLogs(run.world).size === 0) throw new Error('nothing is left');
    }),
    { numRuns: 250 },
  );
}, 60_000);
