import { describe, expect, it } from 'vitest';
import { seal } from '../../core/record.ts';
import { MINUTE, members, read } from './testing/entries.ts';
import { wentBack } from './testing/forked.ts';
import type { World } from './testing/world.ts';

// What is in a closed epoch that the object which closes it did not expect there.

describe('what the gateway did not write', () => {
  it.each([
    ['is no JSON', 'no JSON at all'],
    ['is no object', '[1, 2]'],
    ['is no record', '{"reasons":"log_fork","phase":"event","request_id":7,"time":"now"}'],
    ['has no canonical form', '{"phase":"outcome","reasons":["\\ud800"],"request_id":"x","time":1}'],
    [
      'is nested without end',
      `{"detail":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)},"phase":"outcome","reasons":[],"request_id":"x","time":1}`,
    ],
    [
      'names a place that is none',
      seal(
        { ...members('forged'), was: { log: 'acme~0~1', index: 0.5, time: 1 } },
        ...([{ tenant: 'acme', shard: 0, epoch: 1 }, 9, 1] as const),
      ).text,
    ],
  ])('and %s is taken in by its hash, and keeps no log from going on', async (_what, text) => {
    const forked = await wentBack();
    const { world } = forked;
    await world.sink.quarantine('acme~0~1', 9, text, '22P02');
    for (let turn = 0; turn < 60 && (turn === 0 || world.machine.state.fork !== null); turn++) {
      await world.flush();
      world.clock += MINUTE;
    }
    await world.settle();
    const detail = { log: 'acme~0~1', size: 10 };
    expect(world.sink.rows('acme~0~2').map((row) => JSON.parse(row.text))).toMatchObject([{ detail }]);
    expect(forked.append(read('after'))).toMatchObject([{ log: 'acme~0~2', index: 1 }]);
  });
});

describe('what reaches Postgres late', () => {
  /** A record of the closed epoch that an object sent before it went back. */
  const straggler = (world: World, index: number) =>
    seal(members('straggler'), { tenant: 'acme', shard: 0, epoch: 1 }, index, world.clock).text;

  it('behind the last look at the closed epoch, and before that is closed, is taken in', async () => {
    const forked = await wentBack();
    const { world } = forked;
    const read = world.sink.records.bind(world.sink);
    let late = true;
    world.sink.records = async (log, first) => {
      const found = await read(log, first);
      if (found.length === 0 && late) {
        late = false;
        await world.sink.append(log, first, [straggler(world, first)]);
      }
      return found;
    };
    await forked.recover();
    expect(late).toBe(false);
    expect(forked.records('acme~0~1').at(-1)).toMatchObject({ request_id: 'straggler', index: 9 });
    expect(forked.records('acme~0~2')[0]).toMatchObject({ detail: { log: 'acme~0~1', size: 10 } });
  });

  it('behind that is refused, also before the next epoch has a record', async () => {
    const forked = await wentBack();
    const { world } = forked;
    const close = world.sink.close.bind(world.sink);
    let refused: unknown;
    world.sink.close = async (log, end) => {
      const closed = await close(log, end);
      refused = await world.sink.append(log, end, [straggler(world, end)]).catch((error: unknown) => error);
      return closed;
    };
    await forked.recover();
    expect(refused).toMatchObject({ label: 'sql_AL004' });
    expect(forked.records('acme~0~2')[0]).toMatchObject({ detail: { log: 'acme~0~1', size: 9 } });
  });

  it('does not keep an object that goes back to before it closed an epoch from beginning the next', async () => {
    const forked = await wentBack();
    const { world } = forked;
    await world.flush();
    const before = world.store.snapshot();
    world.sink.faults = [{ call: 'close', when: 'after' }];
    world.clock += 16_000;
    await world.flush();
    expect(world.sink.rows('acme~0~2')).toEqual([]);
    expect((await world.sink.state('acme~0~1')).highestEpoch).toBe(2);
    forked.objectBack(before);
    await forked.recover();
    expect(world.machine.log).toBe('acme~0~2');
    expect(forked.records('acme~0~2')[0]).toMatchObject({
      detail: { log: 'acme~0~1', size: 9, cause: 'later_epoch' },
    });
  });
});
