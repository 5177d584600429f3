import { describe, expect, it } from 'vitest';
import type { StorageFault } from '../storage/testing/store.ts';
import { allLogs, checkEpochs } from './testing/check-epochs.ts';
import { MINUTE, read } from './testing/entries.ts';
import { POISON, type SinkCall } from './testing/model-sink.ts';
import { World } from './testing/world.ts';
import { STORAGE_WRITES, type Write } from './testing/writes.ts';

// Every write is broken: before each of its statements, at its commit, and behind it, where it was kept and only
// the answer was lost. Then the same instance tries again, or another that knows nothing but what is stored.

/** Breaks the write at one point; says whether the write has such a point. */
async function breakAt(write: Write, fault: StorageFault, restart: boolean): Promise<boolean> {
  const world = new World(write.settings);
  await write.prepare(world);
  world.check();
  const size = world.machine.state.size;
  world.store.fail(fault);
  try {
    await write.act(world);
  } catch (error) {
    expect(error).toMatchObject({ message: expect.stringMatching(/^(write|commit|answer)$/) });
  }
  const happened = !world.store.disarm();
  world.check();
  if (happened && fault !== 'committed' && !write.name.startsWith('watermark')) {
    expect(world.machine.state.size).toBe(size);
  }
  if (restart) world.restart();
  world.check();
  for (let again = 0; again < 2; again++) {
    await write.act(world);
    world.check();
  }
  write.after(world);
  return happened;
}

describe.each(STORAGE_WRITES)('$name', (write) => {
  it.each([
    { next: 'the same instance tries again', restart: false },
    { next: 'another instance does', restart: true },
  ])('fails, and $next', async ({ restart }) => {
    expect(await breakAt(write, 'commit', restart)).toBe(true);
    let statements = 0;
    while (await breakAt(write, statements + 1, restart)) statements++;
    expect(statements).toBeGreaterThan(0);
  });

  it.each([
    { next: 'the same instance tries again', restart: false },
    { next: 'another instance does', restart: true },
  ])('fails behind its commit, and $next', async ({ restart }) => {
    expect(await breakAt(write, 'committed', restart)).toBe(true);
  });
});

/**
 * The write is made, or broken at one point; what the object then holds reaches the database, and its storage is put back
 * to before the write. Says whether the write has such a point.
 */
async function goBack(write: Write, fault: StorageFault | undefined): Promise<boolean> {
  const world = new World(write.settings);
  await write.prepare(world);
  const older = world.store.snapshot();
  if (fault !== undefined) world.store.fail(fault);
  try {
    await write.act(world);
  } catch {
    // What was broken is tried again by whoever comes next, as in the cells above.
  }
  const happened = !world.store.disarm();
  for (let turn = 0; turn < 3; turn++) await world.flush();
  const told = [...allLogs(world)].flatMap(([log, texts]) =>
    world.sink
      .rows(log)
      .slice(0, texts.length)
      .map(({ leaf }, index) => ({ log, index, leaf })),
  );
  world.store.restore(older);
  world.sent.clear();
  world.restart();
  for (let turn = 0; turn < 40; turn++) {
    world.duties();
    if (turn === 5) world.append(read('last'));
    await world.flush();
    await world.sign();
    world.clock += MINUTE;
  }
  await world.settle();
  checkEpochs(world, told);
  return happened;
}

describe.each(STORAGE_WRITES.filter(({ name }) => name !== 'fork'))('$name', (write) => {
  it('is made or fails, and older storage is put back: nothing that the database has is lost', async () => {
    await goBack(write, undefined);
    for (const fault of ['commit', 'committed'] as const) await goBack(write, fault);
    for (let at = 1; await goBack(write, at); at++);
  });
});

/** Calls of the database, broken before and behind its commit. */
const CALLS: readonly { readonly call: SinkCall; prepare(world: World): void }[] = [
  { call: 'append', prepare: (world) => void world.append(read('a'), read('b')) },
  { call: 'state', prepare: (world) => void world.append(read('a'), read('b')) },
  {
    call: 'quarantine',
    prepare: (world) => void world.append(read('a'), read('b', { client: POISON }), read('c')),
  },
  {
    call: 'ensurePartitions',
    prepare: (world) => {
      world.sink.partitionsEnd = 0;
      world.append(read('a'));
    },
  },
];

describe.each(CALLS)('the database’s $call', ({ call, prepare }) => {
  it.each([
    { when: 'before', restart: false },
    { when: 'before', restart: true },
    { when: 'after', restart: false },
    { when: 'after', restart: true },
  ] as const)('fails $when its commit, restart: $restart', async ({ when, restart }) => {
    const world = new World();
    prepare(world);
    for (let times = 1; times <= 3; times++) {
      world.sink.faults = [{ call, when }];
      await world.flush();
      if (world.sink.faults.length > 0) break;
      expect(world.flusher.failures).toBe(restart ? 1 : times);
      expect(world.flusher.pauseMs).toBe(750 * 2 ** (restart ? 1 : times));
      world.check();
      if (restart) world.restart();
    }
    world.sink.faults = [];
    await world.settle();
    expect(world.sink.rows(world.machine.log)).toHaveLength(world.machine.state.size);
    expect(world.machine.state.fork).toBeNull();
    world.check();
  });
});
