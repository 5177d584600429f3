import { describe, expect, it } from 'vitest';
import { seal } from '../../core/record.ts';
import { DAY, members, read } from './testing/entries.ts';
import { World } from './testing/world.ts';

const reads = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => read(`r${from + i}`));

const stored = (world: World) => world.sink.rows(world.machine.log);

/** A record that another writer puts at an index of the log. */
function stranger(world: World, index: number): string {
  return seal(members('stranger'), { tenant: 'acme', shard: 0, epoch: 1 }, index, world.clock).text;
}

/** What callers were told since does not hold for storage that went back. */
function forget(world: World, from: number): void {
  for (const [key, { told }] of world.sent) if (told && told.index >= from) world.sent.delete(key);
}

async function expectForked(world: World, cause: string): Promise<void> {
  await world.flush();
  expect(world.machine.state.fork).toBe(cause);
  expect(world.flusher).toMatchObject({ lastFailure: `fork_${cause}`, unsettled: true });
  const { size } = world.machine.state;
  expect(world.append(read('late'), read('later'))).toEqual([
    { ok: false, code: 'forked' },
    { ok: false, code: 'forked' },
  ]);
  world.duties();
  expect(world.machine.state.size).toBe(size);
  const sent = world.sink.count('append');
  await world.flush();
  world.restart();
  expect(world.append(read('late'))).toEqual([{ ok: false, code: 'forked' }]);
  await world.flush();
  expect(world.sink.count('append')).toBe(sent);
  expect(world.sink.count('quarantine')).toBe(0);
}

describe('the object went back', () => {
  async function wentBack(): Promise<World> {
    const world = new World();
    world.append(...reads(0, 3));
    await world.settle();
    const before = world.store.snapshot();
    world.append(...reads(3, 6));
    await world.settle();
    world.store.restore(before);
    world.restart();
    return world;
  }

  it('and acknowledges nothing once it knows, while the database is ahead', async () => {
    const world = await wentBack();
    forget(world, 3);
    await expectForked(world, 'head_ahead');
    expect(world.eventsNamed('audit_fork')[0]).toEqual({
      log: 'acme~0~1',
      size: 3,
      head: 6,
      cause: 'head_ahead',
    });
    world.check();
  });

  it('and went on until it knew: the records of both are kept', async () => {
    const world = await wentBack();
    forget(world, 3);
    world.appended(...Array.from({ length: 4 }, (_, i) => read(`new${i}`)));
    await expectForked(world, 'leaf_differs');
    world.check();
    expect(stored(world)).toHaveLength(6);
  });

  it('and is itself again when the database goes back as far', async () => {
    const world = await wentBack();
    forget(world, 3);
    await expectForked(world, 'head_ahead');
    world.sink.restore(new Map([[world.machine.log, stored(world).slice(0, 2)]]));
    await world.flush();
    expect(world.machine.state.fork).toBeNull();
    expect(world.append(read('after'))![0]).toMatchObject({ ok: true, index: 3 });
    await world.settle();
    expect(stored(world)).toHaveLength(4);
    world.check();
  });

  it('and its unflushed records alone are gone: a restart resends what Postgres has, and compares it', async () => {
    const world = new World();
    world.append(...reads(0, 3));
    const before = world.store.snapshot();
    await world.settle();
    world.store.restore(before);
    world.restart();
    expect(world.machine.state.flushed).toBe(0);
    await world.settle();
    expect(stored(world)).toHaveLength(3);
    world.check();
  });
});

describe('the database went back', () => {
  it.each([0, 1, 4])('to %i records, and is filled again from there', async (to) => {
    const world = new World();
    world.append(...reads(0, 5));
    await world.settle();
    world.sink.restore(new Map([[world.machine.log, stored(world).slice(0, to)]]));
    world.check();
    world.append(read('next'));
    await world.settle();
    expect(stored(world)).toHaveLength(6);
    expect(world.eventsNamed('audit_database_back')).toEqual([{ log: 'acme~0~1', head: to, flushed: 5 }]);
    expect(world.machine.state.fork).toBeNull();
    world.check();
  });

  it('while nobody wrote for long: nothing is let go before that is seen', async () => {
    const world = new World();
    world.append(...reads(0, 5));
    await world.settle();
    world.sink.restore(new Map([[world.machine.log, stored(world).slice(0, 2)]]));
    world.clock += 8 * DAY;
    await world.flush();
    expect(stored(world)).toHaveLength(5);
    expect(world.machine.state.fork).toBeNull();
    world.check();
  });

  it('is seen after a restart without anything to send', async () => {
    const world = new World();
    world.append(...reads(0, 5));
    await world.settle();
    world.sink.restore(new Map());
    world.restart();
    expect(world.flusher.unsettled).toBe(true);
    await world.settle();
    expect(stored(world)).toHaveLength(5);
  });

  it('behind what is still held: nothing is acknowledged until it is restored again', async () => {
    const world = new World();
    world.append(...reads(0, 3));
    await world.settle();
    const good = world.sink.snapshot();
    world.clock += 8 * DAY;
    world.append(...reads(3, 5));
    await world.settle();
    expect(world.store.exec('SELECT idx FROM record')).toHaveLength(2);
    world.sink.restore(new Map([[world.machine.log, stored(world).slice(0, 2)]]));
    world.restart();
    await expectForked(world, 'records_gone');
    world.sink.restore(good);
    await world.settle();
    expect(stored(world)).toHaveLength(5);
    expect(
      world.eventsNamed('audit_recovered').length + world.eventsNamed('audit_database_back').length,
    ).toBe(1);
    expect(world.append(read('after'))![0]).toMatchObject({ ok: true });
    await world.settle();
    world.check();
  });
});

describe('another writer', () => {
  it('at the head: its record is not taken for ours', async () => {
    const world = new World();
    world.append(...reads(0, 3));
    await world.settle();
    await world.sink.append(world.machine.log, 3, [stranger(world, 3)]);
    world.append(...reads(3, 5));
    await expectForked(world, 'leaf_differs');
    expect(world.machine.state.flushed).toBe(3);
    world.check();
  });

  it('in the middle of a batch, with our record behind it', async () => {
    const world = new World();
    world.append(...reads(0, 5));
    const { texts } = world.machine.batch(1000)!;
    await world.sink.append(world.machine.log, 0, [
      ...texts.slice(0, 2),
      stranger(world, 2),
      ...texts.slice(3, 5),
    ]);
    world.append(read('next'));
    // The heads agree, and so does the last record: only sending again compares what lies between.
    await expectForked(world, 'record_differs');
    expect(stored(world)).toHaveLength(5);
    expect(world.machine.state.flushed).toBe(0);
    world.check();
  });

  it('of a later epoch', async () => {
    const world = new World();
    world.append(read('a'));
    await world.settle();
    world.sink.logs.set('acme~0~2', []);
    world.append(read('b'));
    world.restart();
    await expectForked(world, 'later_epoch');
    world.sink.logs.delete('acme~0~2');
    await world.settle();
    expect(world.eventsNamed('audit_recovered')).toHaveLength(1);
    world.check();
  });

  it('whose record lies below the head is found when the log recovers, too', async () => {
    const world = new World();
    world.append(...reads(0, 2));
    await world.settle();
    world.append(...reads(2, 5));
    const { texts } = world.machine.batch(1000)!;
    world.sink.logs.set('acme~0~2', []);
    world.restart();
    await expectForked(world, 'later_epoch');
    world.sink.logs.delete('acme~0~2');
    await world.sink.append(world.machine.log, 2, [stranger(world, 2), ...texts.slice(1)]);
    await world.flush();
    expect(world.machine.state).toMatchObject({ flushed: 2, fork: 'record_differs' });
    world.check();
  });

  it('of another shard or tenant is no concern', async () => {
    const world = new World();
    world.sink.logs.set('acme~1~9', []);
    world.sink.logs.set('globex~0~9', []);
    world.append(read('a'));
    await world.settle();
    expect(world.machine.state.fork).toBeNull();
  });
});

it('a fork is told to the operator once, and not with every look', async () => {
  const world = new World();
  world.append(read('a'));
  world.sink.logs.set('acme~0~2', []);
  for (let i = 0; i < 5; i++) await world.flush();
  expect(world.eventsNamed('audit_fork')).toHaveLength(1);
});

describe('what a checkpoint sees before any flush', () => {
  async function settled(): Promise<World> {
    const world = new World();
    world.append(...reads(0, 4));
    await world.settle();
    return world;
  }

  it('is told once: the database went back', async () => {
    const world = await settled();
    world.sink.restore(new Map([[world.machine.log, stored(world).slice(0, 2)]]));
    await world.sign();
    await world.settle();
    expect(stored(world)).toHaveLength(4);
    expect(world.eventsNamed('audit_database_back')).toEqual([{ log: 'acme~0~1', head: 2, flushed: 4 }]);
  });

  it('is told once: a fork, and that it is over', async () => {
    const world = await settled();
    world.sink.logs.set('acme~0~2', []);
    await world.sign();
    expect(world.eventsNamed('audit_fork')).toEqual([
      { log: 'acme~0~1', size: 4, head: 4, cause: 'later_epoch' },
    ]);
    expect(world.flusher.unsettled).toBe(true);
    await world.flush();
    expect(world.eventsNamed('audit_fork')).toHaveLength(1);
    world.sink.logs.delete('acme~0~2');
    await world.sign();
    expect(world.machine.state.fork).toBeNull();
    await world.settle();
    expect(world.eventsNamed('audit_recovered')).toEqual([{ log: 'acme~0~1', size: 4 }]);
  });
});

it('a fork that is found to be over when the log would leave its epoch is told to be over', async () => {
  const world = new World();
  world.append(read('a'));
  world.sink.logs.set('acme~0~2', []);
  await world.flush();
  world.clock += DAY;
  world.sink.logs.delete('acme~0~2');
  await world.settle();
  expect(world.machine.log).toBe('acme~0~1');
  expect(world.eventsNamed('audit_recovered')).toHaveLength(1);
});
