import { expect, it } from 'vitest';
import { MINUTE, read, refused, START } from './testing/entries.ts';
import { World } from './testing/world.ts';

const texts = (world: World) =>
  world.store
    .exec<{ text: string }>('SELECT text FROM record ORDER BY idx')
    .map(({ text }) => JSON.parse(text));

it('stores the first of a key, and one record for all that came later', () => {
  const world = new World();
  const places = world.appended(...['a', 'b', 'c', 'd'].map((id) => refused(id, 'key')));
  expect(places.map(({ index }) => index)).toEqual([0, 0, 0, 0]);
  expect(world.machine.state.size).toBe(1);
  expect(world.machine.nextDuty()).toBe(START + MINUTE);
  world.clock += MINUTE - 1;
  world.duties();
  expect(world.machine.state.size).toBe(1);
  world.check();
  world.clock += 1;
  world.restart();
  world.duties();
  expect(texts(world)[1]).toMatchObject({
    request_id: 'a',
    decision: 'rate_limited',
    client: '192.0.2.0/24',
    count: 3,
    detail: { first: { log: places[0]!.log, index: 0 } },
  });
  world.check();
  world.duties();
  expect(world.machine.state.size).toBe(2);
});

it('stores nothing more for a key that came once', () => {
  const world = new World();
  world.append(refused('a', 'key'));
  world.clock += MINUTE;
  world.duties();
  expect(world.machine.state.size).toBe(1);
  world.check();
});

it('opens windows where the clock has them, and a retry stays with its answer', () => {
  const world = new World();
  world.clock += 40_000;
  const [first] = world.appended(refused('a', 'key'), refused('b', 'key'));
  world.clock += 20_000;
  const [next] = world.appended(refused('c', 'key'));
  expect(next!.index).toBe(2);
  expect(texts(world).map(({ count }) => count)).toEqual([undefined, 1, undefined]);
  expect(world.appended(refused('b', 'key'), refused('a', 'key'))).toEqual([first, first]);
  expect(world.machine.state.size).toBe(3);
  world.check();
});

it('keeps keys apart, and a window of each its own', () => {
  const world = new World();
  world.append(
    refused('a', 'one', 10_000),
    refused('b', 'two'),
    refused('c', 'one', 10_000),
    refused('d', 'two'),
  );
  expect(world.machine.nextDuty()).toBe(START + 10_000);
  world.clock += 10_000;
  world.duties();
  expect(world.store.exec('SELECT key, count FROM counter')).toEqual([{ key: 'two', count: 1 }]);
  expect(texts(world).map(({ count }) => count)).toEqual([undefined, undefined, 1]);
  world.check();
});

it('shares one key past a thousand, and says nothing of anybody there', () => {
  const world = new World();
  world.append(...Array.from({ length: 1000 }, (_, i) => refused(`r${i}`, `key${i}`)));
  expect(world.machine.state.size).toBe(1000);
  const [first, second] = world.appended(refused('x', 'keyx'), refused('y', 'keyy'));
  expect([first!.index, second!.index]).toEqual([1000, 1000]);
  // A key that is open goes on with its own.
  expect(world.appended(refused('z', 'key7'))[0]!.index).toBe(7);
  world.clock += MINUTE;
  expect([world.duties(), world.duties(), world.duties()].map((done) => done?.more)).toEqual([
    true,
    true,
    false,
  ]);
  const records = texts(world);
  expect(records.filter(({ reasons }) => reasons[0] === 'other').map(({ count }) => count)).toEqual([
    undefined,
    1,
  ]);
  expect(Object.keys(records[1000]).sort()).toEqual(
    ['decision', 'index', 'log', 'phase', 'reasons', 'request_id', 'tenant', 'time', 'v'].sort(),
  );
  expect(world.store.exec('SELECT * FROM counter')).toEqual([]);
});

it('forgets the address that was the key', () => {
  const world = new World();
  world.append(refused('a', 'strangers:192.0.2.77:no_token'), refused('b', 'strangers:192.0.2.77:no_token'));
  world.clock += MINUTE;
  world.duties();
  world.append(read('c'));
  expect(JSON.stringify(world.store.snapshot())).not.toContain('192.0.2.77');
});
