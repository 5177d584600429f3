import { env, evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import type { OwnedKind } from '../../core/rpc.ts';
import { OwnerIndexObject } from '../../durable-objects/owner-index/owner-index.ts';

const SWEEP_DELAY = 3_600_000;
const RETENTION = { memory: 10_000_000, event: 1000, export: 2000 };

const ids = (count: number, prefix = 'id') => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** A real object's storage under a wall clock of the test's own. */
function bench(
  name: string,
  test: (
    index: OwnerIndexObject<unknown>,
    clock: { now: number },
    state: DurableObjectState,
  ) => Promise<void>,
): Promise<void> {
  return runInDurableObject(
    env.OWNER_INDEX.getByName(name),
    (_instance: unknown, state: DurableObjectState) => {
      const clock = { now: Date.now() };
      const index = new OwnerIndexObject(state, {}, { retentionMs: RETENTION }, { now: () => clock.now });
      return test(index, clock, state);
    },
  );
}

const count = ({ storage }: DurableObjectState) =>
  storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM owned').one().n;

it('knows what was registered, in the order asked, over RPC and after a restart', async () => {
  const index = env.OWNER_INDEX.getByName('acme~owners~0');
  expect(await index.owned('memory', ['a', 'b'])).toEqual([false, false]);
  await index.register('memory', ['b', 'c', 'b']);
  await evictDurableObject(index);
  expect(await index.owned('memory', ['a', 'b', 'c', 'b', 'd'])).toEqual([false, true, true, true, false]);
  expect(await index.owned('event', ['b'])).toEqual([false]);
  expect(await index.owned('memory', [])).toEqual([]);
  expect(await env.OWNER_INDEX.getByName('globex~owners~0').owned('memory', ['b'])).toEqual([false]);
});

it('takes a thousand ids in a call, and no more', () =>
  bench('acme~owners~1', async (index, _clock, state) => {
    await index.register('event', ids(1000));
    expect(count(state)).toBe(1000);
    expect((await index.owned('event', [...ids(999), 'other'])).filter((known) => known)).toHaveLength(999);
    await expect(index.register('event', ids(1001, 'more'))).rejects.toThrow(RangeError);
    await expect(index.owned('event', ids(1001))).rejects.toThrow(RangeError);
    expect(count(state)).toBe(1000);
  }));

it('forgets an id at the end of its retention; registering again renews it and never shortens it', () =>
  bench('acme~owners~2', async (index, clock) => {
    await index.register('event', ['a', 'b']);
    clock.now += 999;
    await index.register('event', ['b']);
    expect(await index.owned('event', ['a', 'b'])).toEqual([true, true]);
    clock.now += 1;
    expect(await index.owned('event', ['a', 'b'])).toEqual([false, true]);
    clock.now -= 500;
    await index.register('event', ['b']);
    clock.now += 500 + 998;
    expect(await index.owned('event', ['b'])).toEqual([true]);
    clock.now += 1;
    expect(await index.owned('event', ['b'])).toEqual([false]);
  }));

it('keeps with an id what it was registered with, as long as the id, and of a table from before', () =>
  bench('acme~owners~7', async (index, clock, state) => {
    state.storage.sql.exec(
      'CREATE TABLE owned (kind TEXT NOT NULL, id TEXT NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID',
    );
    state.storage.sql.exec('INSERT INTO owned VALUES (?, ?, ?)', 'event', 'old', clock.now + 500);
    await index.register('event', ['new'], '[{"event":"ADD"}]');
    expect(await index.detail('event', 'new')).toBe('[{"event":"ADD"}]');
    expect(await index.detail('event', 'old')).toBe('');
    expect(await index.detail('memory', 'new')).toBeNull();
    expect(await index.detail('event', 'other')).toBeNull();
    for (const bad of ['x'.repeat(16_385), '\ud800', 7]) {
      await expect(index.register('event', ['new'], bad as string)).rejects.toThrow(RangeError);
    }
    clock.now += 1000;
    expect(await index.detail('event', 'new')).toBeNull();
  }));

it('tells ids apart by every character', () =>
  bench('acme~owners~3', async (index) => {
    const strange = [
      "it's; DROP TABLE owned; --",
      'a\u0000b',
      'A',
      'é',
      ' x',
      '%',
      '\u{1f600}',
      'x'.repeat(1024),
    ];
    await index.register('export', strange);
    expect(await index.owned('export', strange)).toEqual(strange.map(() => true));
    const near = ["it's", 'a', 'a\u0000', 'a\u0000c', 'e\u0301', 'x', ' x ', '_', '\ufffd', 'x'.repeat(1023)];
    expect(await index.owned('export', near)).toEqual(near.map(() => false));
  }));

it('refuses nonsense as a whole', () =>
  bench('acme~owners~4', async (index, _clock, state) => {
    await index.register('event', ['known']);
    for (const bad of ['', 'x'.repeat(1025), '\ud800', 7, null, undefined, {}]) {
      await expect(index.register('event', ['good', bad as string])).rejects.toThrow(RangeError);
      await expect(index.owned('event', ['known', bad as string])).rejects.toThrow(RangeError);
    }
    for (const kind of ['other', 'toString', '__proto__', null] as unknown as OwnedKind[]) {
      await expect(index.register(kind, ['good'])).rejects.toThrow(RangeError);
      await expect(index.owned(kind, ['known'])).rejects.toThrow(RangeError);
    }
    await expect(index.register('event', 'good' as unknown as string[])).rejects.toThrow(RangeError);
    expect(count(state)).toBe(1);
  }));

it('registers all of a call or nothing', () =>
  bench('acme~owners~5', async (index, _clock, state) => {
    await index.register('event', ['known']);
    state.storage.sql.exec(
      "CREATE TRIGGER broken BEFORE INSERT ON owned WHEN NEW.id = 'id-300' BEGIN SELECT RAISE(ABORT, 'disk'); END",
    );
    await expect(index.register('event', ids(500))).rejects.toThrow('disk');
    expect(count(state)).toBe(1);
  }));

it('sweeps expired rows in bounded chunks, earliest first, until nothing is left', () =>
  bench('acme~owners~6', async (index, clock, state) => {
    const began = clock.now;
    await index.register('memory', ['kept']);
    expect(await state.storage.getAlarm()).toBe(began + RETENTION.memory + SWEEP_DELAY);
    // What expires earlier brings the alarm forward; what expires later does not put it off.
    await index.register('export', ids(800));
    expect(await state.storage.getAlarm()).toBe(began + RETENTION.export + SWEEP_DELAY);
    await index.register('event', ids(700));
    await index.register('memory', ['kept too']);
    expect(await state.storage.getAlarm()).toBe(began + RETENTION.event + SWEEP_DELAY);

    clock.now = began + RETENTION.export + SWEEP_DELAY;
    await index.alarm();
    expect(count(state)).toBe(502);
    expect(await index.owned('memory', ['kept', 'kept too'])).toEqual([true, true]);
    expect(await state.storage.getAlarm()).toBe(clock.now);
    await index.alarm();
    expect(count(state)).toBe(2);
    expect(await state.storage.getAlarm()).toBe(began + RETENTION.memory + SWEEP_DELAY);

    clock.now = began + RETENTION.memory + SWEEP_DELAY;
    await index.alarm();
    expect(await state.storage.getAlarm()).toBeNull();
    expect(await index.owned('memory', ['kept'])).toEqual([false]);
    await index.alarm();
    expect(state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'owned'").toArray()).toEqual([]);

    await Promise.all([index.alarm(), index.register('memory', ['again'])]);
    expect(await index.owned('memory', ['again'])).toEqual([true]);
    expect(await state.storage.getAlarm()).toBe(clock.now + RETENTION.memory + SWEEP_DELAY);
  }));
