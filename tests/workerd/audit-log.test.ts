import { env, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import { leafHash } from '../../core/record.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import { AuditLogObject } from '../../durable-objects/audit-log/audit-log.ts';
import type { AuditLogSettings } from '../../durable-objects/audit-log/settings.ts';
import {
  DAY,
  intent,
  MINUTE,
  outcome,
  read,
  refused,
  SETTINGS,
} from '../../durable-objects/audit-log/testing/entries.ts';
import { ModelSink } from '../../durable-objects/audit-log/testing/model-sink.ts';

/**
 * The shell over real storage. `start` makes an instance that remembers nothing but what is stored, under a wall
 * clock and with a database of the test's own.
 */
interface Bench {
  readonly clock: { now: number };
  readonly state: DurableObjectState;
  readonly sink: ModelSink;
  readonly events: string[];
  start(settings?: Partial<AuditLogSettings>): AuditLogObject<unknown>;
  /** Milliseconds until the alarm rings; `undefined`: it never will. */
  rings(): Promise<number | undefined>;
}

function bench(name: string, test: (bench: Bench) => Promise<void>): Promise<void> {
  return runInDurableObject(
    env.AUDIT_LOG.getByName(name),
    (_instance: unknown, state: DurableObjectState) => {
      // Far ahead, so that no alarm of the test rings by itself.
      const clock = { now: Date.now() + DAY };
      const sink = new ModelSink();
      const events: string[] = [];
      return test({
        clock,
        state,
        sink,
        events,
        start: (settings) =>
          new AuditLogObject(
            state,
            {},
            { ...SETTINGS, ...settings },
            { log: (event) => events.push(event), sink, now: () => clock.now, random: () => 0.5 },
          ),
        rings: async () => {
          const at = await state.storage.getAlarm();
          return at === null ? undefined : at - clock.now;
        },
      });
    },
  );
}

const reads = (count: number, name = 'r') => Array.from({ length: count }, (_, i) => read(`${name}${i}`));

it('keeps everything over RPC and evictions, and knows its name when its alarm wakes it', async () => {
  const stub = env.AUDIT_LOG.getByName('acme~0');
  const entries = [read('a'), intent('b'), refused('c', 'key'), refused('d', 'key')];
  const answers = await stub.append(entries);
  expect(answers.map((answer) => answer.ok && `${answer.log}/${answer.index}`)).toEqual([
    'acme~0~1/0',
    'acme~0~1/1',
    'acme~0~1/2',
    'acme~0~1/2',
  ]);
  const before = await stub.status();
  await evictDurableObject(stub);
  expect(await stub.append(entries)).toEqual(answers);
  expect(await stub.status()).toEqual(before);
  await evictDurableObject(stub);
  // Nothing listens at the database's address: the instance that the alarm made counts that, and tries on.
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await stub.status()).toEqual({ ...before, failures: 1, lastFailure: 'unreachable' });
  expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).not.toBeNull();
  expect(await stub.append([outcome('b')])).toMatchObject([{ ok: true, index: 3 }]);
});

it('evicted between an append and its answer, has each record once and under one place', async () => {
  const stub = () => env.AUDIT_LOG.getByName('evicted~0');
  const of = ({ key, members }: AppendEntry) => ({ key, members: { ...members, tenant: 'evicted' } });
  const size = 12;
  for (let round = 0; round < size; round++) {
    const entries = [read(`a${round}`), intent(`b${round}`), read(`c${round}`)].map(of);
    const first = stub()
      .append(entries)
      .catch(() => undefined);
    // From before the call arrives to after its answer has left.
    for (let turn = 0; turn < round; turn++) await Promise.resolve();
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve));
    await evictDurableObject(stub()).catch(() => undefined);
    const again = await stub().append(entries);
    expect(again.map((answer) => answer.ok && answer.index)).toEqual([
      3 * round,
      3 * round + 1,
      3 * round + 2,
    ]);
    const answered = await first;
    if (answered) expect(answered).toEqual(again);
  }
  expect(await stub().status()).toMatchObject({ size: 3 * size, openIntents: size });
});

it('is woken by its real alarm after an eviction', async () => {
  const stub = env.AUDIT_LOG.getByName('acme~1');
  await stub.append([read('a')]);
  await evictDurableObject(stub);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await runInDurableObject(stub, async (instance: AuditLogObject<unknown>, { storage }) => {
    expect(await storage.getAlarm()).not.toBeNull();
    expect(await instance.status()).toMatchObject({ log: 'acme~1~1', lastFailure: 'unreachable' });
  });
});

it('gives concurrent appends places of their own', async () => {
  const stub = env.AUDIT_LOG.getByName('acme~2');
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => stub.append([read(`a${i}`), read(`b${i}`)])),
  );
  const places = answers.flat().map((answer) => (answer.ok ? answer.index : -1));
  expect(new Set(places).size).toBe(80);
  expect(Math.max(...places)).toBe(79);
  expect(await stub.status()).toMatchObject({ size: 80, flushed: 0 });
});

it('takes a batch that is more than SQLite takes in one statement, byte for byte', () =>
  bench('large~0', async ({ start }) => {
    const object = start({ maxUnflushedBytes: 100_000_000 });
    const texts = ['"', '\\', 'é', '\u{1f680}', '\u0000', '\u2028'].map((text) =>
      text.repeat(40_000 / text.length),
    );
    const entries = Array.from({ length: 60 }, (_, i) => {
      const { key, members } = intent(`r${i}`);
      return { key, members: { ...members, tenant: 'large', detail: { text: texts[i % texts.length]! } } };
    });
    const answers = await object.append(entries);
    expect(answers.map((answer) => answer.ok && answer.index)).toEqual(entries.map((_, i) => i));
    expect(await object.append(entries)).toEqual(answers);
    for (const [i, answer] of answers.entries()) {
      if (!answer.ok) throw new Error('refused');
      const held = await object.record(answer);
      expect(JSON.parse(held!.text)).toMatchObject(entries[i]!.members);
      expect(leafHash(Buffer.from(held!.text))).toBe(answer.leaf);
    }
    expect(await object.status()).toMatchObject({ size: 60, openIntents: 60 });
  }));

it('has its alarm set by an append, and by nothing when all is done', () =>
  bench('acme~3', async ({ clock, start, rings, sink }) => {
    const object = start();
    await object.append([read('a')]);
    expect(await rings()).toBe(1000);
    clock.now += 400;
    await object.append([read('b')]);
    expect(await rings()).toBe(600);
    clock.now += 600;
    await object.alarm();
    expect(sink.rows('acme~3~1')).toHaveLength(2);
    // The keys' expiry is what is left.
    expect(await rings()).toBe(DAY + MINUTE - 1000);
    clock.now += DAY + MINUTE;
    await object.alarm();
    expect(await rings()).toBeGreaterThan(5 * DAY);
    clock.now += 7 * DAY;
    await object.alarm();
    expect(await object.status()).toMatchObject({ size: 2, flushed: 2 });
  }));

it('is never without an alarm while the database is away, and never forgets one for another', () =>
  bench('acme~4', async ({ clock, start, rings, sink }) => {
    let object = start();
    await object.append([intent('a'), refused('b', 'key')]);
    sink.faults = Array.from({ length: 30 }, () => ({ call: 'state', when: 'before' }) as const);
    for (let i = 0; i < 16; i++) {
      const due = await rings();
      expect(due).toBeGreaterThan(0);
      expect(due).toBeLessThanOrEqual(45_000);
      clock.now += due!;
      await object.alarm();
      if (i === 7) object = start();
    }
    expect(await object.status()).toMatchObject({ flushed: 0, openIntents: 0 });
    sink.faults = [];
    for (let i = 0; i < 3; i++) {
      clock.now += (await rings()) ?? 0;
      await object.alarm();
    }
    const { size, flushed } = await object.status();
    expect(flushed).toBe(size);
    expect(sink.rows('acme~4~1')).toHaveLength(size);
  }));

it('flushes what is appended while a flush is on its way', () =>
  bench('acme~5', async ({ clock, start, rings, sink }) => {
    const object = start();
    await object.append(reads(3));
    clock.now += 1000;
    let open = () => {};
    sink.gate = new Promise((resolve) => {
      open = resolve;
    });
    const alarm = object.alarm();
    clock.now += 50;
    await object.append([read('late'), intent('i')]);
    open();
    await alarm;
    for (let i = 0; i < 5 && (await rings())! <= 1000; i++) {
      clock.now += Math.max(0, (await rings())!);
      await object.alarm();
    }
    expect(await object.status()).toMatchObject({ size: 5, flushed: 5 });
    expect(await rings()).toBeGreaterThan(MINUTE);
    expect(await rings()).toBeLessThanOrEqual(2 * MINUTE);
  }));

it('undoes a write that fails half-way, and goes on from what is stored', () =>
  bench('acme~6', async ({ state, start, clock, events, rings }) => {
    const object = start();
    const [first] = await object.append([read('a')]);
    state.storage.sql.exec(
      "CREATE TRIGGER broken BEFORE INSERT ON key BEGIN SELECT RAISE(ABORT, 'disk'); END",
    );
    await expect(object.append([read('b'), intent('c')])).rejects.toThrow('disk');
    expect(await object.status()).toMatchObject({ size: 1, openIntents: 0 });
    const count = (table: string) =>
      state.storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;
    expect([count('leaf'), count('record'), count('intent')]).toEqual([1, 1, 0]);
    expect(await object.append([read('a')])).toEqual([first]);
    state.storage.sql.exec('DROP TRIGGER broken');
    expect(await object.append([read('b'), intent('c')])).toMatchObject([{ index: 1 }, { index: 2 }]);

    // A failing alarm says so, without a word of the fault's own, and is set again.
    state.storage.sql.exec(
      "CREATE TRIGGER broken BEFORE UPDATE ON state BEGIN SELECT RAISE(ABORT, 'disk'); END",
    );
    clock.now += 5 * MINUTE;
    await object.alarm();
    // Once for the duties and once for the flush: neither keeps the other from being tried.
    expect(events).toEqual(['object_failed', 'object_failed']);
    expect(await rings()).toBe(1000);
    state.storage.sql.exec('DROP TRIGGER broken');
    clock.now += 1000;
    await object.alarm();
    expect(await object.status()).toMatchObject({ size: 4, flushed: 4, openIntents: 0 });
  }));

it('lets records go from the alarm when they were kept long enough, and only then', () =>
  bench('acme~7', async ({ state, clock, start, rings, sink }) => {
    const object = start({ keepFlushedMs: 10 * MINUTE });
    const entries: AppendEntry[] = reads(1200);
    await object.append(entries);
    const held = () => state.storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM record').one().n;
    const began = clock.now;
    for (let i = 0; i < 20 && held() > 0; i++) {
      expect(held() === 1200 || clock.now >= began + 10 * MINUTE).toBe(true);
      clock.now += Math.max(0, (await rings())!);
      await object.alarm();
    }
    expect(held()).toBe(0);
    expect(sink.rows('acme~7~1')).toHaveLength(1200);
    expect(await object.append([entries[7]!])).toMatchObject([{ ok: true, index: 7 }]);
  }));

it('refuses while it is forked, and its alarm looks until that is over', () =>
  bench('acme~8', async ({ clock, start, rings, sink, events }) => {
    let object = start();
    sink.logs.set('acme~8~2', []);
    await object.append([read('a')]);
    clock.now += 1000;
    await object.alarm();
    expect(await object.append([read('b')])).toEqual([{ ok: false, code: 'forked' }]);
    object = start();
    expect(await object.status()).toMatchObject({ forked: true, size: 1, flushed: 0 });
    expect(await object.append([read('b')])).toEqual([{ ok: false, code: 'forked' }]);
    sink.logs.delete('acme~8~2');
    clock.now += (await rings())!;
    await object.alarm();
    expect(await object.append([read('b')])).toMatchObject([{ ok: true, index: 1 }]);
    expect(events).toContain('audit_recovered');
  }));
