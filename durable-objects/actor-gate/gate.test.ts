import { describe, expect, it } from 'vitest';
import type { GateRequest } from '../../core/rpc.ts';
import { SimulatedObject } from './gate.simulation.ts';

const W = 60_000;
const R = 5;

function ask(object: SimulatedObject, members: Partial<GateRequest> = {}) {
  const id = `id-${counter++}`;
  return object.admit({ id, kind: 'request', limit: 10, windowMs: W, weight: 1, ...members })!;
}
let counter = 0;

function fill(object: SimulatedObject, count: number, members: Partial<GateRequest> = {}): void {
  for (let i = 0; i < count; i++) expect(ask(object, members).admitted).toBe(true);
}

describe('an answer', () => {
  it('says what is left, when the oldest stamp leaves and when the weight fits', () => {
    const object = new SimulatedObject(R);
    expect(ask(object)).toEqual({ admitted: true, limit: 10, remaining: 9, resetMs: W, retryAfterMs: 0 });
    object.wall += 1000;
    expect(ask(object, { weight: 8 })).toMatchObject({ remaining: 1, resetMs: W - 1000, retryAfterMs: 0 });
    object.wall += 1000;
    // The first stamp makes room for two, the second for three.
    expect(ask(object, { weight: 2 })).toMatchObject({
      admitted: false,
      remaining: 1,
      retryAfterMs: W - 2000,
    });
    expect(ask(object, { weight: 3 })).toMatchObject({
      admitted: false,
      retryAfterMs: W - 1000,
      resetMs: W - 2000,
    });
    expect(ask(object, { weight: 1 })).toMatchObject({ admitted: true, remaining: 0 });
  });

  it('to a weight above the limit is to wait for a whole window, and takes nothing', () => {
    const object = new SimulatedObject(R);
    const refused = { admitted: false, limit: 10, remaining: 10, resetMs: 0, retryAfterMs: W };
    expect(ask(object, { weight: 11 })).toEqual(refused);
    expect(ask(object, { weight: 10 }).admitted).toBe(true);
  });

  it('goes by the limit of the request that asks', () => {
    const object = new SimulatedObject(R);
    fill(object, 8, { limit: 8 });
    expect(ask(object, { limit: 8 })).toMatchObject({ admitted: false, remaining: 0 });
    expect(ask(object, { limit: 9 })).toMatchObject({ admitted: true, remaining: 0 });
    object.wall += 10;
    // Nine stamps: six must leave before a limit of four has room for one.
    expect(ask(object, { limit: 4 })).toMatchObject({ admitted: false, remaining: 0, retryAfterMs: W - 10 });
  });

  it('goes by the window of the request that asks, as far as stamps were kept', () => {
    const object = new SimulatedObject(R);
    fill(object, 10);
    object.wall += 20_000;
    expect(ask(object, { windowMs: 10_000 })).toMatchObject({ admitted: true, remaining: 9 });
    expect(ask(object)).toMatchObject({ admitted: false, retryAfterMs: 40_000 });
  });
});

describe('a repeated id', () => {
  it('gets the answer it was given first, and is counted once', () => {
    const object = new SimulatedObject(R);
    const first = ask(object, { id: 'same' });
    object.wall += 500;
    fill(object, 9);
    expect(ask(object, { id: 'same' })).toEqual(first);
    expect(ask(object).admitted).toBe(false);
    expect(ask(object, { id: 'same', limit: 3 })).toEqual(first);
  });

  it('is remembered across a restart when its stamp was durable', () => {
    const object = new SimulatedObject(R);
    const durable = ask(object, { id: 'durable' });
    ask(object, { id: 'reserved' });
    object.restart();
    object.wall += 1;
    expect(ask(object, { id: 'durable' })).toEqual(durable);
    expect(object.durable('request').map(({ id }) => id)).toEqual(['durable']);
    expect(ask(object, { id: 'reserved' }).remaining).toBe(10 - 1 - R - 1);
  });

  it('is a new request once its stamp has left, and in the other window', () => {
    const object = new SimulatedObject(R);
    fill(object, 1, { id: 'same', limit: 1 });
    expect(ask(object, { id: 'same', limit: 1, kind: 'invalid' })).toMatchObject({
      admitted: true,
      remaining: 0,
    });
    object.wall += W;
    expect(ask(object, { id: 'same', limit: 2 })).toMatchObject({ admitted: true, remaining: 1, resetMs: W });
  });

  it('with another weight is refused and changes nothing', () => {
    const object = new SimulatedObject(R);
    ask(object, { id: 'same' });
    expect(ask(object, { id: 'same', weight: 2 })).toMatchObject({ admitted: false, retryAfterMs: W });
    expect(ask(object)).toMatchObject({ admitted: true, remaining: 8 });
  });

  it('that was refused is decided again', () => {
    const object = new SimulatedObject(R);
    fill(object, 1, { limit: 1 });
    expect(ask(object, { id: 'late', limit: 1 }).admitted).toBe(false);
    object.wall += W;
    expect(ask(object, { id: 'late', limit: 1 }).admitted).toBe(true);
  });
});

describe('a reservation', () => {
  it('answers R requests per write, until a tenth of the window is over', () => {
    const object = new SimulatedObject(R);
    fill(object, 1 + R, { limit: 100 });
    expect(object.writes).toBe(1);
    fill(object, 1, { limit: 100 });
    expect(object.writes).toBe(2);
    object.wall += W / 10 - 1;
    fill(object, 1, { limit: 100 });
    expect(object.writes).toBe(2);
    object.wall += 1;
    fill(object, 1, { limit: 100 });
    expect(object.writes).toBe(3);
    expect(object.durable('request')).toHaveLength(9);
  });

  it.each([
    ['a high limit: a fiftieth of it, a five-hundredth at a time', 500 * (R + 1), R + 1, 10 * (R + 1)],
    ['one that is not: the slots, which are small beside the limit', 500 * R, R, R],
    ['a low one: the slots', 20 * R, R, R],
  ])('is all that restarts can leave unknown, of %s', (_what, limit, each, most) => {
    const object = new SimulatedObject(R);
    for (let restarts = 0; restarts <= 12; restarts++) {
      const used = object.durable('request').filter(({ id }) => id !== null).length;
      const unknown = Math.min(restarts * each, most);
      expect(ask(object, { limit }).remaining).toBe(limit - used - unknown - 1);
      object.restart();
      object.wall += 1;
    }
    const writes = object.writes;
    fill(object, 3, { limit });
    expect(object.writes).toBe(writes + 3);
  });

  it('lives for half of the window when it is a small part of the limit', () => {
    const [limit, life] = [50 * R, W / 2];
    const object = new SimulatedObject(R);
    fill(object, 1, { limit });
    object.wall += life - 1;
    fill(object, 1, { limit });
    expect(object.writes).toBe(1);
    object.wall += 1;
    fill(object, 1, { limit });
    expect(object.writes).toBe(2);
    const idle = new SimulatedObject(R);
    fill(idle, 1, { limit });
    idle.wall += W + life - 1;
    idle.restart();
    expect(ask(idle, { limit, weight: limit - R })).toMatchObject({ admitted: true, remaining: 0 });
    idle.wall += 1;
    expect(ask(idle, { limit, weight: R })).toMatchObject({ admitted: true, remaining: 0 });
  });

  it('costs no room while the object lives', () => {
    const object = new SimulatedObject(R);
    fill(object, 10);
    expect(ask(object).admitted).toBe(false);
  });

  it('counts as used after a restart, once however often it restarts', () => {
    const object = new SimulatedObject(R);
    for (let restart = 0; restart < 4; restart++) {
      expect(ask(object, { limit: 100 }).remaining).toBe(100 - restart - (restart > 0 ? R : 0) - 1);
      object.restart();
      object.wall += 10;
    }
  });

  it('leaves one window after the restart, and never refuses an actor that was idle for one', () => {
    const object = new SimulatedObject(R);
    fill(object, 1);
    object.restart();
    object.wall += 100;
    expect(ask(object, { weight: 10 })).toMatchObject({ admitted: false, retryAfterMs: W });
    object.wall += W - 1;
    expect(ask(object, { weight: 10 }).admitted).toBe(false);
    object.wall += 1;
    expect(ask(object, { weight: 10 }).admitted).toBe(true);
    for (const limit of [1, 2, 3, 7]) {
      const idle = new SimulatedObject(R);
      fill(idle, 1, { limit });
      idle.wall += W;
      idle.restart();
      expect(ask(idle, { limit }).admitted).toBe(true);
    }
    const heavy = new SimulatedObject(R);
    fill(heavy, 1);
    heavy.wall += W + W / 10;
    heavy.restart();
    expect(ask(heavy, { weight: 10 }).admitted).toBe(true);
  });
});

describe('storage', () => {
  it('holds what is in the window and no more', () => {
    const object = new SimulatedObject(R);
    for (let i = 0; i < 500; i++) {
      object.wall += W / 10;
      fill(object, 1, { limit: 20 });
      if (i % 37 === 0) object.restart();
    }
    expect(object.durable('request').length).toBeLessThanOrEqual(11);
  });

  it('may go an hour or two windows after the last use, and not before', () => {
    const object = new SimulatedObject(R);
    expect(object.deletableIn()).toBe(0);
    fill(object, 1);
    expect(object.deletableIn()).toBe(3_600_000);
    object.wall += 3_000_000;
    ask(object, { weight: 99 });
    expect(object.deletableIn()).toBe(3_600_000);
    object.wall += 3_600_000;
    expect(object.deletableIn()).toBe(0);
    fill(object, 1, { windowMs: 7_200_000, kind: 'invalid' });
    object.wall += 1000;
    object.restart();
    expect(object.deletableIn()).toBe(14_400_000 - 1000);
    // A clock that goes back does not bring the deletion nearer.
    object.wall -= 5_000_000;
    expect(object.deletableIn()).toBe(14_400_000);
  });
});
