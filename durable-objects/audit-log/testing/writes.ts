import { expect } from 'vitest';
import { signerKey } from '../../../core/note.ts';
import { DAY, intent, MINUTE, members, outcome, read, refused } from './entries.ts';
import { POISON } from './model-sink.ts';
import type { World } from './world.ts';

/** A write of the object's own storage, and what must be so behind it. */
export interface Write {
  readonly name: string;
  readonly settings?: ConstructorParameters<typeof World>[0];
  /** What comes before the write that is broken. */
  prepare(world: World): Promise<void> | void;
  /** Makes the write; whoever gets no answer makes it again. */
  act(world: World): Promise<unknown> | unknown;
  /** What must be so once it went well: the log's phases, or more. */
  after(world: World): void;
}

const append = (...entries: Parameters<World['append']>) => ({
  act: (world: World) => world.append(...entries),
});

const phases = (world: World) =>
  world.store
    .exec<{ text: string }>('SELECT text FROM record ORDER BY idx')
    .map(({ text }) => JSON.parse(text).phase as string)
    .join(' ');

export const STORAGE_WRITES: readonly Write[] = [
  {
    name: 'append of a batch',
    prepare: () => {},
    ...append(read('a'), intent('b'), read('c')),
    after: (world) => expect(phases(world)).toBe('outcome intent outcome'),
  },
  {
    name: 'append that fills a tile',
    prepare: (world) => void world.append(...Array.from({ length: 254 }, (_, i) => read(`r${i}`))),
    ...append(read('a'), read('b'), read('c')),
    after: (world) => {
      expect(world.store.exec('SELECT level, idx FROM tile')).toEqual([
        { level: 0, idx: 0 },
        { level: 1, idx: 0 },
      ]);
      expect(world.store.exec('SELECT idx FROM leaf')).toEqual([{ idx: 256 }]);
    },
  },
  {
    name: 'append that closes an intent',
    prepare: (world) => void world.append(intent('a')),
    ...append(outcome('a')),
    after: (world) => expect(phases(world)).toBe('intent outcome'),
  },
  {
    name: 'append that corrects an orphan',
    prepare: (world) => {
      world.append(intent('a'));
      world.clock += 3 * MINUTE;
      world.duties();
    },
    ...append(outcome('a')),
    after: (world) => expect(phases(world)).toBe('intent outcome correction'),
  },
  {
    name: 'append that conflicts with its key',
    prepare: (world) => void world.append(read('a')),
    act: (world) => world.machine.append([read('a', { reasons: ['another'] })], world.clock),
    after: (world) => expect(phases(world)).toBe('outcome event'),
  },
  {
    name: 'counter raise',
    prepare: (world) => void world.append(refused('a', 'key')),
    ...append(refused('b', 'key'), refused('c', 'key')),
    after: (world) => {
      expect(phases(world)).toBe('outcome');
      expect(world.store.exec('SELECT count FROM counter')).toEqual([{ count: 2 }]);
    },
  },
  {
    name: 'counter close by the alarm',
    prepare: (world) => {
      world.append(refused('a', 'key'), refused('b', 'key'));
      world.clock += MINUTE;
    },
    act: (world) => world.duties(),
    after: (world) => {
      expect(phases(world)).toBe('outcome outcome');
      expect(world.store.exec('SELECT * FROM counter')).toEqual([]);
    },
  },
  {
    name: 'counter close by the next window’s first',
    prepare: (world) => {
      world.append(refused('a', 'key'), refused('b', 'key'));
      world.clock += MINUTE;
    },
    ...append(refused('c', 'key')),
    after: (world) => expect(phases(world)).toBe('outcome outcome outcome'),
  },
  {
    name: 'orphan close',
    prepare: (world) => {
      world.append(intent('a'), intent('b'));
      world.clock += 3 * MINUTE;
    },
    act: (world) => world.duties(),
    after: (world) => {
      expect(phases(world)).toBe('intent intent outcome outcome');
      expect(world.machine.state.openIntents).toBe(0);
    },
  },
  {
    name: 'prune',
    prepare: async (world) => {
      world.append(read('a'), read('b'), read('c'));
      await world.settle();
      world.clock += 8 * DAY;
    },
    act: (world) => world.flush(),
    after: (world) => expect(phases(world)).toBe(''),
  },
  {
    name: 'key expiry',
    prepare: (world) => {
      world.append(read('a'), read('b'));
      world.clock += DAY;
    },
    act: (world) => world.duties(),
    after: (world) => expect(world.store.exec('SELECT * FROM key')).toEqual([]),
  },
  {
    name: 'watermark behind an append',
    settings: { batchRows: 2 },
    prepare: (world) => void world.append(read('a'), read('b'), read('c')),
    act: (world) => world.flush(),
    after: (world) => expect(world.machine.state.flushed).toBe(3),
  },
  {
    name: 'watermark behind a quarantine',
    prepare: (world) => void world.append(read('a', { client: POISON })),
    act: (world) => world.flush(),
    after: (world) => expect(world.sink.rows(world.machine.log)[0]?.quarantined).toBe('22P05'),
  },
  {
    name: 'watermark back, after the database',
    prepare: async (world) => {
      world.append(read('a'));
      const before = world.sink.snapshot();
      await world.settle();
      world.append(read('b'));
      world.sink.restore(before);
    },
    act: (world) => world.flush(),
    after: (world) => expect(world.sink.rows(world.machine.log)).toHaveLength(2),
  },
  {
    name: 'checkpoint',
    prepare: async (world) => {
      world.append(read('a'), read('b'));
      await world.settle();
    },
    act: (world) => world.sign(),
    after: (world) => {
      expect(world.machine.checkpoint?.size).toBe(2);
      expect(world.sink.signed(world.machine.log)).toHaveLength(1);
    },
  },
  {
    name: 'watermark and checkpoint behind a change of keys',
    prepare: async (world) => {
      world.append(read('a'));
      await world.settle();
      await world.sign();
      world.signer = signerKey('gateway.test', new Uint8Array(32).fill(2));
      world.restart();
    },
    act: async (world) => (await world.flush()) && (await world.sign()),
    after: (world) => {
      expect(phases(world)).toBe('outcome event');
      expect(world.sink.signed(world.machine.log).map(({ size }) => size)).toEqual([1, 2]);
    },
  },
  {
    name: 'fork',
    prepare: async (world) => {
      world.append(read('a'));
      const before = world.store.snapshot();
      await world.settle();
      world.sink.append(world.machine.log, 1, [JSON.stringify({ ...members('x'), time: 1 })]);
      await world.flush();
      world.sent.clear();
      world.store.restore(before);
      world.restart();
    },
    act: (world) => world.flush(),
    after: (world) => expect(world.machine.state.fork).toBe('head_ahead'),
  },
];
