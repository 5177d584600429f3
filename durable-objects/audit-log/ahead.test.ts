import { describe, expect, it } from 'vitest';
import { read } from './testing/entries.ts';
import { POISON } from './testing/model-sink.ts';
import { World } from './testing/world.ts';

const reads = (count: number) => Array.from({ length: count }, (_, i) => read(`r${i}`));

const stored = (world: World) => world.sink.rows(world.machine.log);

const appends = (world: World) =>
  world.sink.calls.flatMap(({ call, first, count }) => (call === 'append' ? [[first, count]] : []));

/** A log with eleven records, of which a call takes two. */
function backlog(count = 11): World {
  const world = new World({ batchRows: 2 });
  world.append(...reads(count));
  return world;
}

describe('batches that are sent ahead', () => {
  it('are three at once, behind one that was taken, and the last goes alone', async () => {
    const world = backlog();
    world.sink.late = [0, 9, 9, 9, 9];
    await world.flush();
    expect(world.sink.most).toBe(3);
    expect(appends(world)).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
      [6, 2],
      [8, 2],
      [10, 1],
    ]);
    expect(stored(world)).toHaveLength(11);
    world.check();
  });

  it('may arrive before the one in front of them: they are sent again, and nothing failed', async () => {
    const world = backlog();
    world.sink.late = [0, 5, 1, 0];
    await world.flush();
    expect(world.flusher).toMatchObject({ failures: 0, unsettled: false });
    expect(world.events).toEqual([]);
    expect(stored(world)).toHaveLength(11);
    // One after the other from then on.
    expect(appends(world)).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
      [6, 2],
      [8, 2],
      [4, 2],
      [6, 2],
      [8, 2],
      [10, 1],
    ]);
    world.check();
  });

  it('are not counted while the one in front of them is unknown', async () => {
    for (const when of ['before', 'after'] as const) {
      const world = backlog();
      const whole = world.sink.append.bind(world.sink);
      world.sink.append = (log, first, ...rest) => {
        if (first === 2) world.sink.faults = [{ call: 'append', when }];
        return whole(log, first, ...rest);
      };
      await world.flush();
      expect(world.machine.state.flushed).toBe(2);
      expect(stored(world)).toHaveLength(when === 'before' ? 2 : 8);
      expect(world.flusher.failures).toBe(1);
      expect(world.flusher.unsettled).toBe(true);
      world.sink.append = whole;
      await world.settle();
      world.check();
    }
  });

  it('have ended when the flush ends, whatever made it end', async () => {
    for (const end of ['sink', 'storage'] as const) {
      const world = backlog();
      world.sink.late = [0, 0, 20, 20];
      const whole = world.sink.append.bind(world.sink);
      let under = 0;
      world.sink.append = async (log, first, ...rest) => {
        if (first === 2 && end === 'sink') world.sink.faults = [{ call: 'append', when: 'before' }];
        under++;
        try {
          return await whole(log, first, ...rest);
        } finally {
          if (first === 2 && end === 'storage') world.store.fail('commit');
          under--;
        }
      };
      const ended = await world.flush();
      expect(ended).toBe(end === 'sink');
      expect(under).toBe(0);
      expect(world.sink.most).toBe(3);
      world.store.disarm();
      world.sink.append = whole;
      await world.settle();
      world.check();
    }
  });

  it('wait while a record that Postgres will not take is looked for', async () => {
    const world = new World({ batchRows: 4 });
    world.append(...reads(24).map((entry, i) => (i === 9 ? read('p', { client: POISON }) : entry)));
    await world.settle();
    expect(stored(world).flatMap(({ quarantined }, i) => (quarantined ? [i] : []))).toEqual([9]);
    expect(stored(world)).toHaveLength(24);
    expect(appends(world).length).toBeLessThan(20);
    world.check();
  });

  it('are together no more bytes than one batch may be', async () => {
    const most = async (batchBytes: number) => {
      const world = new World({ batchRows: 2, batchBytes });
      world.append(...reads(11));
      world.sink.late = Array(11).fill(2);
      await world.flush();
      expect(stored(world)).toHaveLength(11);
      world.check();
      return world.sink.most;
    };
    const { bytes } = backlog(2).machine.batch(2)!;
    expect(await most(3 * bytes + 50)).toBe(3);
    expect(await most(2 * bytes + 50)).toBe(2);
    expect(await most(2 * bytes - 50)).toBe(1);
  });

  it('are within the calls of one flush', async () => {
    const world = new World({ batchRows: 1 });
    world.append(...reads(60));
    await world.flush();
    expect(appends(world)).toHaveLength(50);
    expect(world.machine.state.flushed).toBe(50);
  });

  it('are refused behind a record that is not this log’s, though the indexes fit', async () => {
    const world = backlog(9);
    await world.flush();
    const other = new World({ batchRows: 2 });
    other.append(...reads(8), read('another'), read('and one more'));
    await other.settle();
    // As if another instance had stored these between the comparison and the call.
    world.append(...reads(14).slice(9));
    const whole = world.sink.append.bind(world.sink);
    world.sink.append = (log, first, ...rest) => {
      if (first === 9) world.sink.logs.set(log, stored(other));
      return whole(log, first, ...rest);
    };
    await world.flush();
    expect(world.machine.state.fork).not.toBeNull();
    expect(stored(world)).toEqual(stored(other));
  });
});
