import { describe, expect, it } from 'vitest';
import { DAY, intent, outcome, read, START } from './testing/entries.ts';
import { POISON } from './testing/model-sink.ts';
import { World } from './testing/world.ts';

const reads = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => read(`r${from + i}`));

const stored = (world: World) => world.sink.rows(world.machine.log);

describe('batches', () => {
  it('are bounded in rows and bytes, and all arrive', async () => {
    const world = new World({ batchRows: 10, batchBytes: 1500 });
    world.append(...reads(0, 25));
    await world.settle();
    expect(stored(world)).toHaveLength(25);
    const appends = world.sink.calls.filter(({ call }) => call === 'append');
    expect(appends.every(({ count }) => count! > 1 && count! < 10)).toBe(true);
    world.check();
  });

  it('hold one record that is larger than their bound', async () => {
    const world = new World({ batchBytes: 100 });
    world.append(...reads(0, 3));
    await world.settle();
    expect(world.sink.count('append')).toBe(3);
  });

  it('take along what comes while they are sent only where it fills one; the rest waits for the next flush', async () => {
    const world = new World({ batchRows: 4 });
    world.append(...reads(0, 2));
    const arriving = [5, 1];
    const whole = world.sink.append.bind(world.sink);
    world.sink.append = (...batch) => {
      const { size } = world.machine.state;
      world.append(...reads(size, size + (arriving.shift() ?? 0)));
      return whole(...batch);
    };
    await world.flush();
    expect(world.machine.state).toMatchObject({ size: 8, flushed: 6 });
    expect(world.flusher).toMatchObject({ failures: 0, pauseMs: 1000 });
    await world.flush();
    const appends = world.sink.calls.filter(({ call }) => call === 'append');
    expect(appends.map(({ count }) => count)).toEqual([2, 4, 2]);
    world.check();
  });

  it('end the alarm in time, and are no failure when some are left', async () => {
    const world = new World({ batchRows: 1 });
    world.append(...reads(0, 60));
    await world.flush();
    expect(world.machine.state.flushed).toBe(50);
    expect(world.flusher).toMatchObject({ failures: 0, pauseMs: 1000 });
    await world.flush();
    expect(world.machine.state.flushed).toBe(60);
  });

  it('are halved while the call is too large', async () => {
    const world = new World();
    world.sink.maxBytes = 1000;
    world.append(...reads(0, 40));
    await world.settle();
    expect(stored(world)).toHaveLength(40);
    expect(world.sink.count('quarantine')).toBe(0);
    world.check();
  });

  it('wait, and are not set aside, when one record alone is too large', async () => {
    const world = new World();
    world.sink.maxBytes = 10;
    world.append(...reads(0, 4));
    await world.flush();
    expect(world.flusher).toMatchObject({ failures: 1, lastFailure: 'http_413' });
    expect(world.sink.count('quarantine')).toBe(0);
    world.sink.maxBytes = 1e6;
    await world.settle();
    world.check();
  });
});

describe('poison', () => {
  it.each([[[0]], [[499]], [[999]], [[0, 1, 2]], [[10, 500, 501, 998]]])(
    'rows %j of a thousand are set aside, and nothing else',
    async (bad) => {
      const world = new World();
      world.append(
        ...reads(0, 1000).map((entry, i) => (bad.includes(i) ? read(`p${i}`, { client: POISON }) : entry)),
      );
      await world.settle();
      const rows = stored(world);
      expect(rows.flatMap(({ quarantined }, i) => (quarantined === '22P05' ? [i] : []))).toEqual(bad);
      expect(rows).toHaveLength(1000);
      expect(world.eventsNamed('audit_quarantined').map(({ index }) => index)).toEqual(bad);
      expect(world.sink.calls.length).toBeLessThan(25 * bad.length + 10);
      world.check();
    },
  );

  it('is confirmed by its quarantine, and not sent again', async () => {
    const world = new World();
    world.append(read('p', { client: POISON }));
    await world.flush();
    expect(world.sink.calls.map(({ call }) => call)).toEqual(['state', 'append', 'quarantine']);
    expect(world.machine.state.flushed).toBe(1);
  });

  it('in every row holds nothing up for good', async () => {
    const world = new World();
    world.append(...Array.from({ length: 80 }, (_, i) => read(`p${i}`, { client: POISON })), read('good'));
    await world.settle();
    expect(stored(world).filter(({ quarantined }) => quarantined)).toHaveLength(80);
    world.check();
  });
});

describe('partitions', () => {
  it('are asked for when one is missing, once a flush', async () => {
    const world = new World();
    world.sink.partitionsEnd = START;
    world.sink.partitionsTo = START;
    world.append(...reads(0, 3));
    for (let flushes = 1; flushes <= 3; flushes++) {
      await world.flush();
      expect(world.flusher).toMatchObject({ failures: flushes, lastFailure: 'sql_23514' });
      expect(world.sink.count('ensurePartitions')).toBe(flushes);
    }
    expect(world.sink.count('quarantine')).toBe(0);
    world.sink.partitionsTo = START + 30 * DAY;
    await world.flush();
    expect(world.flusher).toMatchObject({ failures: 0, lastFailure: undefined });
    world.check();
  });
});

describe('failures', () => {
  it('are followed by a comparison, because the database may be another by then', async () => {
    const world = new World();
    world.append(read('a'));
    world.sink.faults = [{ call: 'append', when: 'before' }];
    await world.flush();
    expect(world.flusher.unsettled).toBe(true);
    await world.flush();
    expect(world.sink.calls.map(({ call }) => call)).toEqual(['state', 'append', 'state', 'append']);
    world.append(read('b'));
    await world.flush();
    expect(world.sink.calls.at(-2)?.call).toBe('append');
  });

  it('include an answer that claims less than was sent', async () => {
    const world = new World();
    world.append(...reads(0, 3));
    const whole = world.sink.append.bind(world.sink);
    world.sink.append = (log, first, texts) => whole(log, first, texts.slice(0, 2));
    await world.flush();
    expect(world.flusher).toMatchObject({ failures: 1, lastFailure: 'head_short' });
    expect(world.machine.state.flushed).toBe(0);
    world.sink.append = whole;
    await world.settle();
    world.check();
  });

  it('are waited for with growing pauses of a minute at most, and one success ends that', async () => {
    const world = new World();
    world.append(read('a'));
    world.sink.faults = Array.from({ length: 20 }, () => ({ call: 'state', when: 'before' }) as const);
    const pauses: number[] = [];
    for (let i = 0; i < 20; i++) {
      await world.flush();
      pauses.push(world.flusher.pauseMs);
    }
    expect(pauses.slice(0, 7)).toEqual([1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000]);
    expect(Math.max(...pauses)).toBe(45_000);
    await world.flush();
    expect(world.flusher).toMatchObject({
      failures: 0,
      lastFailure: undefined,
      pauseMs: 1000,
      unsettled: false,
    });
  });

  it('of anything else than the database are not hidden, and the flush can run again', async () => {
    const world = new World();
    world.append(read('a'));
    world.store.fail('commit');
    // The watermark's transaction: nobody but the alarm may decide what follows from that.
    await expect(world.flusher.flush()).rejects.toThrow('commit');
    expect(world.machine.state.flushed).toBe(0);
    await world.settle();
    world.check();
  });
});

describe('two at once', () => {
  it('are one, and both wait for it', async () => {
    const world = new World();
    world.append(...reads(0, 5));
    let open = () => {};
    world.sink.gate = new Promise((resolve) => {
      open = resolve;
    });
    const both = [world.flush(), world.flush()];
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(world.sink.calls).toHaveLength(1);
    open();
    await Promise.all(both);
    expect(world.sink.calls.map(({ call }) => call)).toEqual(['state', 'append']);
    expect(stored(world)).toHaveLength(5);
  });

  it('of which one is an instance that is gone do no harm, however late its call commits', async () => {
    const world = new World({ batchRows: 2 });
    world.append(...reads(0, 5));
    let open = () => {};
    world.sink.gate = new Promise((resolve) => {
      open = resolve;
    });
    const { log } = world.machine;
    const late = world.machine.batch(2)!;
    const call = world.sink.append(log, late.first, late.texts);
    world.sink.gate = Promise.resolve();
    world.restart();
    await world.settle();
    world.append(read('more'));
    open();
    await call;
    await world.settle();
    expect(stored(world)).toHaveLength(6);
    world.check();
  });

  it('records appended while a flush is on its way are sent by the next', async () => {
    const world = new World();
    world.append(...reads(0, 2), intent('i'));
    let open = () => {};
    world.sink.gate = new Promise((resolve) => {
      open = resolve;
    });
    const flush = world.flush();
    world.append(outcome('i'), read('x'));
    world.check();
    open();
    await flush;
    expect(world.machine.state).toMatchObject({ flushed: 5, size: 5 });
    world.check();
  });
});
