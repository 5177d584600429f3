import { describe, expect, it } from 'vitest';
import { seal } from '../../core/record.ts';
import { allLogs } from './testing/check-epochs.ts';
import { DAY, intent, MINUTE, members, outcome, read } from './testing/entries.ts';
import { Forked, reads, wentBack } from './testing/forked.ts';

describe('the object went back', () => {
  it('and the log goes on in its next epoch, which begins by naming the one that it closed', async () => {
    const forked = await wentBack();
    const { world } = forked;
    await world.flush();
    expect(world.append(read('refused'))).toEqual([{ ok: false, code: 'forked' }]);
    await forked.recover();
    expect(forked.records('acme~0~1')).toHaveLength(9);
    expect(forked.records('acme~0~2')).toMatchObject([
      { phase: 'event', reasons: ['log_fork'], detail: { log: 'acme~0~1', size: 9, cause: 'head_ahead' } },
    ]);
    expect(world.eventsNamed('audit_recovery')).toEqual([{ log: 'acme~0~1', head: 9, cause: 'head_ahead' }]);
    expect(forked.append(read('after'))).toMatchObject([{ log: 'acme~0~2', index: 1 }]);
  });

  it('and went on until it knew: those records stand in the new epoch, and name where they were', async () => {
    const forked = await wentBack();
    const [first] = forked.append(read('x'), intent('young'), outcome('open'));
    expect(first).toMatchObject({ log: 'acme~0~1', index: 5 });
    await forked.recover();
    const [, x, young, open] = forked.records('acme~0~2');
    expect(x).toMatchObject({ request_id: 'x', was: { log: 'acme~0~1', index: 5 } });
    expect(young).toMatchObject({ phase: 'intent', was: { index: 6 } });
    expect(open).toMatchObject({ phase: 'outcome', intent: { log: 'acme~0~1', index: 3 } });
  });

  it('and who asks again for a record that only Postgres had gets the answer that was given first', async () => {
    const forked = await wentBack();
    const [first] = forked.told.slice(-1);
    await forked.recover();
    expect(forked.world.append(read('r4'))).toEqual([{ ok: true, ...first }]);
  });

  it('and intents are open or done as Postgres has them; an outcome closes its intent in whatever epoch', async () => {
    const forked = await wentBack();
    forked.append(intent('young'));
    await forked.recover();
    const { machine } = forked.world;
    // `done` had its outcome, `open` and `later` had none, `young` was appended again.
    expect(machine.state.openIntents).toBe(3);
    const [, open, later, young] = forked.append(
      read('n'),
      outcome('open'),
      outcome('later'),
      outcome('young'),
    );
    const records = forked.records('acme~0~2');
    expect(records[open!.index]).toMatchObject({ phase: 'outcome', intent: { log: 'acme~0~1', index: 3 } });
    expect(records[later!.index]).toMatchObject({ intent: { log: 'acme~0~1', index: 6 } });
    expect(records[young!.index]).toMatchObject({ intent: { log: 'acme~0~2', index: 1 } });
    expect(machine.state.openIntents).toBe(0);
  });

  it('to before a recovery, and what that had saved is not appended a third time', async () => {
    const forked = await wentBack();
    forked.append(read('x'), intent('young'));
    const { world } = forked;
    await world.flush();
    const inFork = world.store.snapshot();
    await forked.recover();
    forked.append(...reads(10, 12));
    await world.settle();
    forked.objectBack(inFork);
    await forked.recover();
    expect(world.machine.log).toBe('acme~0~3');
    expect(forked.records('acme~0~3')).toMatchObject([
      { reasons: ['log_fork'], detail: { log: 'acme~0~2', size: 5 } },
    ]);
    const [young] = forked.append(outcome('young'));
    expect(forked.records('acme~0~3')[young!.index]).toMatchObject({ intent: { log: 'acme~0~2', index: 2 } });
  });

  it('twice: a record that was moved twice still names every place that it had', async () => {
    const forked = await wentBack();
    const { world } = forked;
    forked.append(read('x'));
    await forked.recover();
    const [fork] = world.sink.rows('acme~0~2');
    const { text, leaf } = seal(members('stranger'), { tenant: 'acme', shard: 0, epoch: 2 }, 1, world.clock);
    world.sink.restore(new Map([...world.sink.logs, ['acme~0~2', [fork!, { text, leaf }]]]));
    world.restart();
    await forked.recover();
    const moved = forked.records(world.machine.log).find(({ request_id }) => request_id === 'x');
    expect(moved?.was).toMatchObject({ log: 'acme~0~2', was: { log: 'acme~0~1', index: 5 } });
  });
});

describe('the database lost what had left the object', () => {
  it('and after ten minutes the log goes on, with what is still held', async () => {
    const forked = new Forked();
    const { world } = forked;
    forked.append(...reads(0, 3));
    await world.settle();
    world.clock += 8 * DAY;
    forked.append(...reads(3, 5));
    await world.settle();
    world.sink.restore(new Map([['acme~0~1', world.sink.rows('acme~0~1').slice(0, 1)]]));
    forked.told.splice(1, 2);
    world.restart();
    await world.flush();
    world.clock += 9 * MINUTE;
    await world.flush();
    expect(world.machine.state).toMatchObject({ epoch: 1, fork: 'records_gone' });
    world.clock += 2 * MINUTE;
    await forked.recover();
    expect(forked.records('acme~0~2')).toMatchObject([
      // The size and the root are those that were: what is missing can be told.
      { reasons: ['log_fork'], detail: { log: 'acme~0~1', size: 5, cause: 'records_gone' } },
      { request_id: 'r3', was: { log: 'acme~0~1', index: 3 } },
      { request_id: 'r4', was: { log: 'acme~0~1', index: 4 } },
    ]);
  });
});

describe('another record in Postgres', () => {
  it('in the middle of what it had confirmed is taken in, and ours stand in the new epoch', async () => {
    const forked = new Forked();
    const { world } = forked;
    forked.append(...reads(0, 6));
    await world.settle();
    const other = new Forked();
    other.append(...reads(0, 2), ...reads(20, 23));
    const rows = [...allLogs(other.world).get('acme~0~1')!];
    world.sink.logs.delete('acme~0~1');
    await world.sink.append('acme~0~1', 0, rows);
    world.restart();
    await forked.recover();
    expect(forked.records('acme~0~2').map(({ request_id }) => request_id)).toEqual([
      ...['log_fork:2', 'r2', 'r3', 'r4', 'r5'],
    ]);
  });
});

describe('a recovery', () => {
  /** Many pages and several turns of moving, over a tree with full tiles. */
  async function long(): Promise<Forked> {
    const forked = new Forked();
    const { world } = forked;
    world.sink.pageRows = 100;
    forked.append(...reads(0, 300));
    await world.settle();
    const before = world.store.snapshot();
    forked.append(...reads(300, 900));
    await world.settle();
    forked.objectBack(before);
    forked.append(...reads(1000, 1450), intent('i'));
    await world.flush();
    return forked;
  }

  it('of a long log goes on where it stopped, and ends the same', async () => {
    const forked = await long();
    const { world } = forked;
    for (let turn = 0; world.machine.state.fork !== null && turn < 100; turn++) {
      world.clock += 20_000;
      world.sink.faults = turn % 2 === 0 ? [{ call: 'records', when: 'after' }] : [];
      await world.flush();
      world.restart();
      await world.flush();
    }
    world.sink.faults = [];
    await forked.recover();
    expect(forked.records('acme~0~1')).toHaveLength(900);
    expect(forked.records('acme~0~2')).toHaveLength(452);
  });

  it('survives a fault in each of its writes, kept or not', async () => {
    for (const fault of [...Array(40).keys(), 'commit', 'committed'] as const) {
      const forked = await wentBack();
      const { world } = forked;
      forked.append(read('x'), intent('young'));
      await world.flush();
      world.clock += 16_000;
      for (let transaction = 0; transaction < 8 && world.machine.state.fork !== null; transaction++) {
        world.store.fail(typeof fault === 'number' ? fault + 1 : fault);
        await world.flush();
        world.store.disarm();
        if (transaction % 2 === 0) {
          world.restart();
          await world.flush();
          world.clock += 16_000;
        }
      }
      await forked.recover();
      expect(forked.records('acme~0~2').map(({ request_id }) => request_id)).toEqual([
        ...['log_fork:2', 'x', 'young'],
      ]);
    }
  });
});
