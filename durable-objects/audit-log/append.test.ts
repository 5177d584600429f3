import { describe, expect, it } from 'vitest';
import type { AppendAnswer, AppendEntry } from '../../core/rpc.ts';
import { DAY, intent, MINUTE, members, outcome, read, refused, START } from './testing/entries.ts';
import { World } from './testing/world.ts';

const HOUR = 3_600_000;

const codes = (answers: readonly AppendAnswer[] | undefined) =>
  answers!.map((answer) => (answer.ok ? answer.index : answer.code));

const texts = (world: World) =>
  world.store
    .exec<{ text: string }>('SELECT text FROM record ORDER BY idx')
    .map(({ text }) => JSON.parse(text));

/** Fills the log until it takes no more. */
function fill(world: World): void {
  for (let i = 0; i < 1000; i++) {
    const [answer] = world.append(read(`fill${world.sent.size}`))!;
    if (!answer!.ok) {
      expect(answer).toEqual({ ok: false, code: 'full' });
      return;
    }
  }
  throw new Error('the log takes all it is given');
}

describe('a record', () => {
  it('can be read where it is, and nowhere else', () => {
    const world = new World();
    const [answer] = world.append(read('a'), read('b'))!;
    const { leaf, log } = answer as Extract<AppendAnswer, { ok: true }>;
    expect(world.machine.record({ log, index: 0 })).toEqual({ leaf, text: expect.stringContaining('"a"') });
    expect(world.machine.record({ log, index: 2 })).toBeNull();
    for (const other of ['acme~0~2', 'acme~1~1', 'globex~0~1', 'nonsense']) {
      expect(world.machine.record({ log: other, index: 0 }), other).toBeNull();
    }
  });
});

describe('a batch', () => {
  it('is answered in order, and one refusal fails nobody else', () => {
    const world = new World();
    const lone = { ...read('lone'), members: members('lone', { session: '\ud800' }) };
    const foreign = { ...read('foreign'), members: { ...members('foreign'), tenant: 'globex' } };
    const huge = { ...read('huge'), members: members('huge', { session: 'ü'.repeat(140_000) }) };
    const second = { ...intent('i'), key: 'i:another' };
    expect(
      codes(world.append(read('a'), lone, foreign, huge, read('a', { reasons: ['b'] }), read('c'))),
    ).toEqual([0, 'invalid_record', 'invalid_record', 'invalid_record', 'key_conflict', 2]);
    expect(codes(world.append(intent('i'), second, read('d')))).toEqual([3, 'invalid_record', 4]);
    world.clock += 3 * MINUTE;
    world.duties();
    expect(codes(world.append(second, read('e')))).toEqual(['invalid_record', 6]);
  });

  it('holds a key twice and stores it once', () => {
    const world = new World();
    expect(codes(world.append(read('a'), read('a'), intent('b'), intent('b'), outcome('b')))).toEqual([
      0, 0, 1, 1, 2,
    ]);
    world.check();
  });

  it('takes its time from the clock, which never goes back', () => {
    const world = new World();
    world.append(read('a'));
    world.clock -= HOUR;
    world.append(read('b'), intent('i'));
    world.restart();
    world.clock += HOUR + 0.75;
    world.append(read('c'));
    expect(texts(world).map(({ time }) => time - START)).toEqual([0, 0, 0, 0]);
    world.clock += 1;
    world.append(read('d'));
    expect(texts(world).at(-1).time).toBe(START + 1);
    world.check();
  });
});

describe('a key', () => {
  it('gives its first answer for a day, whatever happened since', async () => {
    const world = new World();
    const [first] = world.append(read('a'))!;
    await world.settle();
    world.clock += DAY - 1;
    world.duties();
    world.restart();
    expect(world.append(read('a'))).toEqual([first]);
    world.clock += 1;
    world.duties();
    expect(codes(world.machine.append([read('a')], world.clock))).toEqual([1]);
  });

  it('is given ten minutes when its request was coalesced', () => {
    const world = new World();
    world.append(refused('a', 'key'), refused('b', 'key'));
    world.clock += 10 * MINUTE - 1;
    world.duties();
    expect(codes(world.append(refused('b', 'key')))).toEqual([0]);
    world.check();
    world.clock += 1;
    world.duties();
    const again = world.machine.append([refused('a', 'key'), refused('b', 'key')], world.clock);
    expect(codes(again)).toEqual([0, 2]);
  });

  it('with other members is refused, and reported once', () => {
    const world = new World();
    const { log, index } = world.appended(intent('a'))[0]!;
    const other = [{ ...intent('a'), members: members('a', { phase: 'intent', decision: 'deny' }) }];
    expect(codes(world.machine.append([...other, ...other], world.clock))).toEqual([
      'key_conflict',
      'key_conflict',
    ]);
    world.restart();
    expect(codes(world.machine.append(other, world.clock))).toEqual(['key_conflict']);
    expect(codes(world.append(intent('a')))).toEqual([0]);
    expect(texts(world)).toHaveLength(2);
    expect(texts(world)[1]).toMatchObject({
      phase: 'event',
      request_id: 'a',
      decision: 'deny',
      reasons: ['key_conflict'],
      detail: { log, index },
    });
    world.check();
  });
});

describe('an intent', () => {
  it('is closed by its outcome, which names it', () => {
    const world = new World();
    const [place] = world.appended(intent('a'));
    const [closed] = world.append(outcome('a'))!;
    expect(texts(world)[1]).toMatchObject({ phase: 'outcome', intent: { log: place!.log, index: 0 } });
    world.clock += 3 * MINUTE;
    world.duties();
    expect(world.append(outcome('a'))).toEqual([closed]);
    expect(world.machine.state.size).toBe(2);
    world.check();
  });

  it('without one is closed as unknown, and corrected once when the outcome arrives', () => {
    const world = new World();
    world.append(intent('a'));
    world.clock += 2 * MINUTE - 1;
    world.duties();
    expect(world.machine.state.size).toBe(1);
    expect(world.machine.nextDuty()).toBe(START + 2 * MINUTE);
    world.clock += 1;
    world.duties();
    world.check();
    expect(texts(world)[1]).toMatchObject({
      phase: 'outcome',
      request_id: 'a',
      reasons: ['orphaned'],
      outcome: { result: 'unknown' },
      intent: { index: 0 },
    });
    world.restart();
    const [late] = world.append(outcome('a'))!;
    expect(world.append(outcome('a'))).toEqual([late]);
    expect(texts(world)[2]).toMatchObject({
      phase: 'correction',
      outcome: { result: 'success' },
      intent: { index: 0 },
    });
    world.duties();
    expect(world.machine.state.size).toBe(3);
    world.check();
  });

  it('that is not known here does not keep its outcome out', () => {
    const world = new World();
    expect(codes(world.append(outcome('a', { log: 'acme~0~7', index: 3 })))).toEqual([0]);
    expect(texts(world)[0]).toMatchObject({ phase: 'outcome', intent: { log: 'acme~0~7', index: 3 } });
  });

  it('is one of thousands: all are closed, a bounded number at a time', () => {
    const world = new World();
    for (let i = 0; i < 1100; i += 100) {
      world.append(...Array.from({ length: 100 }, (_, n) => intent(`i${i + n}`)));
    }
    world.clock += 2 * MINUTE;
    expect([world.duties(), world.duties(), world.duties()]).toEqual([
      { more: true },
      { more: true },
      { more: false },
    ]);
    expect(world.machine.state).toMatchObject({ size: 2200, openIntents: 0 });
    world.check();
  });
});

describe('back-pressure', () => {
  it('refuses when Postgres stays away, but never the outcome of an accepted intent', async () => {
    const world = new World({ maxUnflushedBytes: 100_000 });
    const [repeated] = world.append(read('a'), intent('b'), intent('c'))!;
    fill(world);
    expect(world.machine.state.unflushedBytes).toBeGreaterThan(60_000);
    expect(codes(world.append(intent('d'), refused('e', 'key'), outcome('f')))).toEqual([
      'full',
      'full',
      'full',
    ]);
    expect(world.append(read('a'))).toEqual([repeated]);
    world.restart();
    const long = outcome('b');
    const big = { ...long, members: { ...long.members, session: 's'.repeat(15_000) } };
    expect(world.append(big)![0]).toMatchObject({ ok: true });
    world.clock += 3 * MINUTE;
    world.duties();
    expect(world.append(outcome('c'))![0]).toMatchObject({ ok: true });
    expect(world.machine.state.unflushedBytes).toBeLessThanOrEqual(100_000);
    world.check();
    await world.settle();
    expect(world.append(intent('d'), read('g'))).toMatchObject([{ ok: true }, { ok: true }]);
    world.check();
  });

  it('lets outcomes in that are larger than what was kept free for them, and corrections', () => {
    const world = new World({ maxUnflushedBytes: 100_000 });
    world.append(intent('a'), intent('b'));
    fill(world);
    const large = outcome('a');
    const session = 's'.repeat(60_000);
    expect(world.append({ ...large, members: { ...large.members, session } })).toMatchObject([{ ok: true }]);
    world.clock += 3 * MINUTE;
    world.duties();
    expect(world.machine.state.unflushedBytes).toBeGreaterThan(100_000);
    expect(world.append(outcome('b'))).toMatchObject([{ ok: true }]);
    expect(codes(world.append(read('c')))).toEqual(['full']);
    world.check();
  });

  it('counts bytes and not characters', () => {
    const world = new World({ maxUnflushedBytes: 30_000 });
    for (let i = 0; i < 10; i++) world.append(read(`r${i}`, { session: '€'.repeat(3000) }));
    expect(world.machine.state).toMatchObject({ size: 3 });
    expect(world.machine.state.unflushedBytes).toBeLessThanOrEqual(30_000);
  });
});

describe('an entry that is none', () => {
  const deep = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [value];
    return value;
  };

  it.each([
    ['no members', { key: 'x:outcome' }],
    ['members that are null', { key: 'x:outcome', members: null }],
    [
      'no request id',
      { key: 'x:intent', members: { ...members('x', { phase: 'intent' }), request_id: undefined } },
    ],
    ['a request id beyond all measure', { key: 'x:outcome', members: members('x'.repeat(5000)) }],
    ['a key that is no text', { key: 7, members: members('x') }],
    ['no key', { key: '', members: members('x') }],
    ['nesting without end', { key: 'x:outcome', members: { ...members('x'), detail: { a: deep(20_000) } } }],
    ['a window of nothing', { ...read('x'), coalesce: { key: 'k', windowMs: 0 } }],
    ['a counted intent', { ...intent('x'), coalesce: { key: 'k', windowMs: MINUTE } }],
  ])('%s: is refused, and nobody beside it', (_what, entry) => {
    const world = new World();
    expect(codes(world.append(read('a'), entry as unknown as AppendEntry, read('b')))).toEqual([
      0,
      'invalid_record',
      1,
    ]);
    world.check();
  });
});

describe('a full log', () => {
  it('still counts refusals of a key that is open', () => {
    const world = new World({ maxUnflushedBytes: 65_536 });
    world.append(refused('first', 'k'));
    fill(world);
    expect(codes(world.append(refused('second', 'k'), refused('third', 'another')))).toEqual([0, 'full']);
  });
});
