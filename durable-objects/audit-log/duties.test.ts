import { expect, it } from 'vitest';
import { DAY, intent, MINUTE, read, refused, START } from './testing/entries.ts';
import { World } from './testing/world.ts';
import { treeSize } from './tree.ts';

const held = (world: World) =>
  world.store.exec<{ idx: number }>('SELECT idx FROM record ORDER BY idx').map(({ idx }) => idx);

it('lets records go when they were kept long enough, and never before the database has them', async () => {
  const world = new World();
  world.append(read('a'));
  world.clock += DAY;
  world.append(read('b'));
  world.sink.faults = [{ call: 'append', when: 'before' }];
  world.clock += 7 * DAY - 1;
  await world.flush();
  expect(world.flusher.failures).toBe(1);
  expect(held(world)).toEqual([0, 1]);
  await world.settle();
  expect(held(world)).toEqual([1]);
  expect(world.machine.nextPrune()).toBe(world.clock + 1);
  await world.flush();
  expect(held(world)).toEqual([1]);
  world.clock += 1;
  await world.flush();
  expect(held(world)).toEqual([]);
  expect(world.machine.nextPrune()).toBeUndefined();
  expect(treeSize(world.store, 1)).toBe(2);
  world.check();
});

it('lets nothing go while the database cannot be asked', async () => {
  const world = new World();
  world.append(read('a'));
  await world.settle();
  world.clock += 8 * DAY;
  world.sink.faults = [{ call: 'state', when: 'before' }];
  world.duties();
  await world.flush();
  expect(held(world)).toEqual([0]);
  await world.flush();
  expect(held(world)).toEqual([]);
});

it('lets the oldest go when too much is held', async () => {
  const world = new World({ keepFlushedBytes: 1000 });
  for (let i = 0; i < 20; i++) world.append(read(`r${i}`));
  await world.settle();
  expect(world.machine.state.heldBytes).toBeLessThanOrEqual(1000);
  expect(world.machine.state.heldBytes).toBeGreaterThan(700);
  expect(held(world).at(-1)).toBe(19);
  expect(world.machine.pruneDue(world.clock)).toBe(false);
  world.check();
});

it('lets as many go as come, however many that is', async () => {
  const world = new World({ keepFlushedBytes: 1000 });
  for (let i = 0; i < 5000; i += 250) {
    world.append(...Array.from({ length: 250 }, (_, at) => read(`r${i + at}`)));
  }
  await world.flush();
  expect(world.machine.state).toMatchObject({ size: 5000, flushed: 5000 });
  expect(world.machine.state.heldBytes).toBeLessThanOrEqual(1000);
  world.check();
});

it('lets a bounded number go at a time', async () => {
  const world = new World();
  world.append(...Array.from({ length: 1001 }, (_, i) => read(`r${i}`)));
  await world.settle();
  world.clock += 7 * DAY;
  for (const left of [501, 1, 0]) {
    expect(world.machine.pruneDue(world.clock)).toBe(true);
    await world.flush();
    expect(held(world)).toHaveLength(left);
  }
  expect(world.machine.pruneDue(world.clock)).toBe(false);
});

it('wakes for what is due first, and for nothing when there is nothing', async () => {
  const world = new World();
  expect(world.machine.nextDuty()).toBeUndefined();
  world.append(intent('i'));
  expect(world.machine.nextDuty()).toBe(START + 2 * MINUTE);
  world.append(refused('a', 'key'));
  expect(world.machine.nextDuty()).toBe(START + MINUTE);
  world.clock += 3 * MINUTE;
  world.duties();
  await world.settle();
  // A key's expiry, and that of an orphan that nobody corrected, are looked at a minute late.
  expect(world.machine.nextDuty()).toBe(START + DAY + MINUTE);
  world.clock += DAY;
  world.duties();
  expect(world.machine.nextDuty()).toBe(START + 7 * DAY + 4 * MINUTE);
  world.clock += 7 * DAY;
  world.duties();
  expect(world.machine.nextDuty()).toBeUndefined();
  world.check();
});

it('never wakes again at once for something that it cannot do', async () => {
  const world = new World();
  world.append(intent('i'), refused('a', 'key'), read('r'));
  for (let turn = 0; ; turn++) {
    const due = world.machine.nextDuty();
    if (due === undefined) break;
    expect(due).toBeGreaterThan(world.clock);
    expect(turn).toBeLessThan(10);
    world.clock = due;
    expect(world.duties()).toEqual({ more: false });
    world.check();
  }
  await world.settle();
  expect(world.machine.state.size).toBe(4);
});

it('wakes for nothing that it may not write while it is forked', async () => {
  const world = new World();
  world.append(intent('i'), refused('a', 'key'));
  world.machine.fork('later_epoch', world.clock);
  world.clock += 5 * MINUTE;
  world.duties();
  expect(world.machine.nextDuty()).toBeGreaterThan(world.clock);
  expect(world.machine.state.size).toBe(2);
  await world.settle();
  world.duties();
  expect(world.machine.state).toMatchObject({ size: 3, openIntents: 0 });
  world.check();
});
