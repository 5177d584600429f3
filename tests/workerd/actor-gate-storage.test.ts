import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import type { GateRequest } from '../../core/rpc.ts';
import { ActorGateObject } from '../../durable-objects/actor-gate/actor-gate.ts';

/**
 * Instances that share the storage of a real object and a wall clock of the test's own: a new instance is a
 * restart that remembers nothing but what is stored.
 */
const W = 60_000;
const HOUR = 3_600_000;

const request = (id: string, members: Partial<GateRequest> = {}): GateRequest => ({
  ...{ id, kind: 'request', limit: 10, windowMs: W, weight: 1 },
  ...members,
});

interface Bench {
  readonly clock: { now: number };
  readonly state: DurableObjectState;
  start(): ActorGateObject<unknown>;
  count(table: string): number;
}

function bench<R>(name: string, test: (bench: Bench) => Promise<R>): Promise<R> {
  const stub = env.ACTOR_GATE.getByName(name);
  return runInDurableObject(stub, (_instance: unknown, state: DurableObjectState) => {
    const clock = { now: Date.now() };
    return test({
      clock,
      state,
      start: () => new ActorGateObject(state, {}, { reservationSlots: 3 }, { now: () => clock.now }),
      count: (table) => state.storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n,
    });
  });
}

const tables = ({ storage }: DurableObjectState) =>
  storage.sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
    .toArray().length;

it('writes once per reservation, and reads all of it back', () =>
  bench('acme:writes', async ({ clock, start, count }) => {
    const object = start();
    for (let i = 0; i < 4; i++) await object.admit(request(`a${i}`));
    expect(count('stamp')).toBe(1);
    const fifth = await object.admit(request('a4'));
    expect(count('stamp')).toBe(5);

    clock.now += 1000;
    const restarted = start();
    expect(await restarted.admit(request('a4'))).toEqual(fifth);
    // Five stamps, three slots of unknown use, this one.
    expect(await restarted.admit(request('b'))).toMatchObject({
      admitted: true,
      remaining: 1,
      resetMs: W - 1000,
    });
    expect(count('stamp')).toBe(7);
  }));

it('stores nothing for nonsense', () =>
  bench('acme:nothing', async ({ state, start }) => {
    expect((await start().admit(request('a', { weight: 0 }))).admitted).toBe(false);
    expect(tables(state)).toBe(0);
    expect(await state.storage.getAlarm()).toBeNull();
    // A weight above the limit is looked up; its storage is cleared away like any other.
    expect((await start().admit(request('a', { weight: 11 }))).admitted).toBe(false);
    expect(await state.storage.getAlarm()).not.toBeNull();
  }));

it('deletes what has left the window, also after a restart', () =>
  bench('acme:expired', async ({ clock, start, count }) => {
    const object = start();
    for (let i = 0; i < 10; i++) await object.admit(request(`a${i}`));
    expect(count('stamp')).toBe(9);
    clock.now += 2 * W;
    expect(await start().admit(request('b'))).toMatchObject({ remaining: 9, resetMs: W });
    expect(count('stamp')).toBe(1);
    clock.now += W;
    expect((await start().admit(request('c'))).admitted).toBe(true);
    // The reservation of the stamp that left is unknown for a tenth of a window more.
    expect(count('stamp')).toBe(2);
  }));

it('neither forgets nor freezes when the wall clock goes back, across restarts too', () =>
  bench('acme:back', async ({ clock, start }) => {
    let object = start();
    for (let i = 0; i < 10; i++) await object.admit(request(`a${i}`));
    clock.now -= 5 * HOUR;
    expect(await object.admit(request('b'))).toMatchObject({ admitted: false, retryAfterMs: W });
    object = start();
    expect(await object.admit(request('b'))).toMatchObject({ admitted: false, retryAfterMs: W });
    clock.now += W - 1;
    expect((await object.admit(request('b'))).admitted).toBe(false);
    clock.now += 1;
    expect((await object.admit(request('b'))).admitted).toBe(true);
    // The offset is stored by now: the hours do not come back as a frozen clock.
    clock.now += W;
    expect((await start().admit(request('c', { weight: 7 }))).admitted).toBe(true);
  }));

it('answers nothing when a write fails, and goes on from what is stored', () =>
  bench('acme:broken', async ({ state, start, count }) => {
    const object = start();
    for (let i = 0; i < 4; i++) await object.admit(request(`a${i}`));
    // The second statement of the write fails: its first must be undone with it.
    state.storage.sql.exec(
      "CREATE TRIGGER broken BEFORE INSERT ON stamp WHEN NEW.n = 5 BEGIN SELECT RAISE(ABORT, 'disk'); END",
    );
    await expect(object.admit(request('a4'))).rejects.toThrow('disk');
    expect(count('stamp')).toBe(1);
    state.storage.sql.exec('DROP TRIGGER broken');
    // One durable stamp, three slots that were used, and the one that was refused an answer.
    expect(await object.admit(request('a4'))).toMatchObject({ admitted: true, remaining: 5 });
    expect(await object.admit(request('a4'))).toMatchObject({ admitted: true, remaining: 5 });
    let more = 0;
    while ((await object.admit(request(`b${more}`))).admitted) more++;
    expect(more).toBe(5);
  }));

it('deletes everything an hour after the last use, and begins again', async () => {
  const name = 'acme:idle';
  await bench(name, async ({ clock, state, start, count }) => {
    const object = start();
    const began = clock.now;
    await object.admit(request('a'));
    expect(await state.storage.getAlarm()).toBe(began + HOUR);

    clock.now = began + HOUR - 1000;
    await object.admit(request('b'));
    clock.now = began + HOUR;
    await object.alarm();
    expect(await state.storage.getAlarm()).toBe(began + 2 * HOUR - 1000);
    expect(count('stamp')).toBeGreaterThan(0);

    clock.now = began + 2 * HOUR - 1000;
    await object.alarm();
    expect(tables(state)).toBe(0);
    expect(await state.storage.getAlarm()).toBeNull();

    // Twice is harmless, and what comes after is durable: nothing of the old reservation is believed.
    await object.alarm();
    expect(tables(state)).toBe(0);
    expect((await object.admit(request('c'))).remaining).toBe(9);
    expect(count('stamp')).toBe(1);
    expect(await state.storage.getAlarm()).toBe(clock.now + HOUR);
  });
});

it('sets its alarm once, and again when it did not come', () =>
  bench('acme:alarm', async ({ clock, state, start }) => {
    await start().admit(request('a'));
    const first = await state.storage.getAlarm();
    expect(first).toBe(clock.now + HOUR);
    clock.now += 1000;
    await start().admit(request('b'));
    expect(await state.storage.getAlarm()).toBe(first);

    await state.storage.deleteAlarm();
    clock.now += HOUR;
    await start().admit(request('c'));
    expect(await state.storage.getAlarm()).toBe(clock.now + HOUR);
  }));

it('keeps what is admitted while its alarm runs', () =>
  bench('acme:race', async ({ clock, start, count }) => {
    const object = start();
    await object.admit(request('a'));
    clock.now += HOUR;
    const [, answer] = await Promise.all([object.alarm(), object.admit(request('b'))]);
    expect(answer.admitted).toBe(true);
    expect(count('stamp')).toBe(1);
    const [reversed] = await Promise.all([object.admit(request('c', { weight: 5 })), object.alarm()]);
    expect(reversed.remaining).toBe(4);
    expect(count('stamp')).toBe(2);
  }));

it('is woken by its alarm, as the platform does it', async () => {
  const stub = env.ACTOR_GATE.getByName('acme:woken');
  await stub.admit(request('a'));
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  // Too early: it waits on, and nothing is lost.
  expect((await stub.admit(request('b'))).remaining).toBe(8);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
});
