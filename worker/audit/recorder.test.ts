import { describe, expect, it } from 'vitest';
import type { AppendAnswer, AppendEntry, AuditLogRpc } from '../../core/rpc.ts';
import { NotRecorded, Recorder } from './recorder.ts';

const TARGET = { tenant: 'acme', shard: 0 };

function entry(id: string): AppendEntry {
  const members = {
    v: 1,
    phase: 'outcome',
    request_id: id,
    tenant: 'acme',
    decision: 'allow',
    reasons: [],
  } as const;
  return { key: `${id}:outcome`, members };
}

/** An object that remembers keys as the real one does, and can be told how to behave call by call. */
function fakeLog(behave: (call: number) => 'answer' | 'throw' | 'hang' | 'store_and_throw' = () => 'answer') {
  const calls: string[][] = [];
  const stored = new Map<string, number>();
  const append = async (entries: readonly AppendEntry[]): Promise<AppendAnswer[]> => {
    const mode = behave(calls.length);
    calls.push(entries.map(({ key }) => key));
    if (mode === 'throw') throw new Error('reset');
    if (mode === 'hang') return new Promise(() => undefined);
    const answers = entries.map(({ key }): AppendAnswer => {
      if (!stored.has(key)) stored.set(key, stored.size);
      return { ok: true, log: 'acme~0~1', index: stored.get(key)!, leaf: 'aa' };
    });
    if (mode === 'store_and_throw') throw new Error('answer lost');
    return answers;
  };
  return { calls, stored, object: () => ({ append }) as unknown as AuditLogRpc };
}

/** An object that stores what its first call brings, and answers that call when it is told to. */
function heldLog() {
  const log = fakeLog();
  const told = Promise.withResolvers<void>();
  const append = async (entries: readonly AppendEntry[]) => {
    const stored = log.object().append(entries);
    if (log.calls.length === 1) await told.promise;
    return stored;
  };
  return { log, object: () => ({ append }) as unknown as AuditLogRpc, answer: told.resolve };
}

const ignore = () => undefined;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Recorder', () => {
  it('shares one call among the requests of one turn', async () => {
    const log = fakeLog();
    const recorder = new Recorder({ object: log.object, shards: 1 });
    const receipts = await Promise.all(
      ['a', 'b', 'c'].map((id) => recorder.append(TARGET, entry(id), ignore, 1000)),
    );
    expect(receipts.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(log.calls).toHaveLength(1);
  });

  it('has a request that is alone wait for no turn, and send what it appends at once in one call', async () => {
    const log = fakeLog();
    let turns = 0;
    const turn = async () => void turns++;
    const recorder = new Recorder({ object: log.object, shards: 1, turn });
    const append = (id: string) => recorder.append(TARGET, entry(id), ignore, 1000);
    const ended = recorder.setOut();
    await Promise.all([append('a'), append('b')]);
    expect(log.calls).toEqual([['a:outcome', 'b:outcome']]);
    expect(turns).toBe(0);
    const otherEnded = recorder.setOut();
    await append('c');
    expect(turns).toBe(1);
    otherEnded();
    await append('d');
    expect(turns).toBe(1);
    ended();
  });

  it('opens another batch for what comes while a call is under way', async () => {
    const log = fakeLog();
    const recorder = new Recorder({ object: log.object, shards: 1 });
    await recorder.append(TARGET, entry('a'), ignore, 1000);
    await recorder.append(TARGET, entry('b'), ignore, 1000);
    expect(log.calls).toEqual([['a:outcome'], ['b:outcome']]);
  });

  it('keeps a batch open while the call before is on its way', async () => {
    const { log, object, answer } = heldLog();
    const recorder = new Recorder({ object, shards: 1, heldMs: 10_000 });
    const append = (id: string) => recorder.append(TARGET, entry(id), ignore, 5000);
    const first = append('a');
    while (log.calls.length === 0) await pause(0);
    const second = append('b');
    await pause(20);
    const third = append('c');
    await pause(20);
    expect(log.calls).toEqual([['a:outcome']]);
    answer();
    expect((await Promise.all([first, second, third])).map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(log.calls).toEqual([['a:outcome'], ['b:outcome', 'c:outcome']]);
  });

  it('waits for the call before or for a turn, not for both', async () => {
    const { log, object, answer } = heldLog();
    let turns = 0;
    const turn = async () => void turns++;
    const recorder = new Recorder({ object, shards: 1, heldMs: 10_000, turn });
    for (let i = 0; i < 2; i++) recorder.setOut();
    const first = recorder.append(TARGET, entry('a'), ignore, 5000);
    while (log.calls.length === 0) await pause(0);
    const second = recorder.append(TARGET, entry('b'), ignore, 5000);
    expect(turns).toBe(1);
    answer();
    await Promise.all([first, second]);
    expect(turns).toBe(1);
    expect(log.calls).toEqual([['a:outcome'], ['b:outcome']]);
  });

  it('has no tenant wait for another, nor share a call or a failure with it', async () => {
    const logs = new Map(
      (['fine', 'hangs', 'throws'] as const).map((tenant) => {
        const modes = { fine: 'answer', hangs: 'hang', throws: 'throw' } as const;
        return [`${tenant}~0`, fakeLog(() => modes[tenant])];
      }),
    );
    const recorder = new Recorder({ object: (name) => logs.get(name)!.object(), shards: 1, attemptMs: 2000 });
    const append = (tenant: string, id: string) =>
      recorder.append({ tenant, shard: 0 }, entry(id), ignore, 2000).then(
        ({ index }) => index,
        () => 'not recorded',
      );
    const ids = ['a', 'b', 'c'];
    const began = Date.now();
    const bad = ['hangs', 'throws'].flatMap((tenant) => ids.map((id) => append(tenant, `${tenant}-${id}`)));
    expect(await Promise.all(ids.map((id) => append('fine', id)))).toEqual([0, 1, 2]);
    expect(Date.now() - began).toBeLessThan(1000);
    expect(logs.get('fine~0')!.calls).toEqual([['a:outcome', 'b:outcome', 'c:outcome']]);
    expect(await Promise.all(bad)).toEqual(bad.map(() => 'not recorded'));
    expect([...logs.get('hangs~0')!.stored, ...logs.get('throws~0')!.stored]).toEqual([]);
  });

  it('goes on after a leader that was lost in its call, whoever waited behind it', async () => {
    const log = fakeLog((call) => (call === 0 ? 'hang' : 'answer'));
    const recorder = new Recorder({ object: log.object, shards: 1, attemptMs: 1000 });
    const lost = recorder.append(TARGET, entry('lost'), ignore, 5000);
    await pause(2);
    const began = Date.now();
    for (const id of ['a', 'b', 'c']) await recorder.append(TARGET, entry(id), ignore, 5000);
    expect(Date.now() - began).toBeLessThan(900);
    expect((await lost).index).toBe(3);
  });

  it('runs each call under the request that opened its batch', async () => {
    const log = fakeLog();
    const recorder = new Recorder({ object: log.object, shards: 1 });
    const kept: Promise<unknown>[] = [];
    const all = ['a', 'b', 'c'].map((id) =>
      recorder.append(TARGET, entry(id), (call) => kept.push(call), 1000),
    );
    expect(kept).toHaveLength(1);
    await kept[0];
    expect(log.stored.size).toBe(3);
    await Promise.all(all);
  });

  it('keeps a batch within its size', async () => {
    const log = fakeLog();
    const recorder = new Recorder({ object: log.object, shards: 1 });
    await Promise.all(
      Array.from({ length: 600 }, (_, i) => recorder.append(TARGET, entry(`r${i}`), ignore, 1000)),
    );
    expect(log.calls.map((keys) => keys.length)).toEqual([250, 250, 100]);
    expect(log.stored.size).toBe(600);
  });

  it.each(['throw', 'store_and_throw'] as const)(
    'asks again with the same key after a call that ends in %s',
    async (mode) => {
      const log = fakeLog((call) => (call === 0 ? mode : 'answer'));
      const recorder = new Recorder({ object: log.object, shards: 1 });
      const receipts = await Promise.all(
        ['a', 'b'].map((id) => recorder.append(TARGET, entry(id), ignore, 5000)),
      );
      expect(receipts.map(({ index }) => index).sort()).toEqual([0, 1]);
      expect([...log.stored.keys()].sort()).toEqual(['a:outcome', 'b:outcome']);
    },
  );

  it('does not leave followers behind when their leader is lost', async () => {
    // The first call never returns, as when the leading request was cancelled.
    const log = fakeLog((call) => (call === 0 ? 'hang' : 'answer'));
    const recorder = new Recorder({ object: log.object, shards: 1, attemptMs: 50 });
    const receipts = await Promise.all(
      ['a', 'b'].map((id) => recorder.append(TARGET, entry(id), ignore, 5000)),
    );
    expect(receipts).toHaveLength(2);
  });

  it('lets nobody join a batch whose leader was lost before its call', async () => {
    const log = fakeLog();
    let turns = 0;
    const turn = () =>
      turns++ === 0
        ? new Promise<void>(() => undefined)
        : new Promise<void>((resolve) => setTimeout(resolve));
    const recorder = new Recorder({ object: log.object, shards: 1, attemptMs: 300, turn });
    const lost = recorder.append(TARGET, entry('a'), ignore, 5000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const started = Date.now();
    await recorder.append(TARGET, entry('b'), ignore, 5000);
    expect(Date.now() - started).toBeLessThan(200);
    expect((await lost).ok).toBe(true);
    expect([...log.stored.keys()].sort()).toEqual(['a:outcome', 'b:outcome']);
  });

  it('gives up when its patience ends, and says so', async () => {
    const log = fakeLog(() => 'throw');
    const recorder = new Recorder({ object: log.object, shards: 1 });
    const started = Date.now();
    await expect(recorder.append(TARGET, entry('a'), ignore, 300)).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(Date.now() - started).toBeLessThan(1000);
  });

  it.each(['full', 'forked', 'key_conflict', 'invalid_record'] as const)(
    'does not repeat what the object refused with %s',
    async (code) => {
      let calls = 0;
      const append = async () => {
        calls++;
        return [{ ok: false, code } as const];
      };
      const recorder = new Recorder({ object: () => ({ append }) as unknown as AuditLogRpc, shards: 1 });
      const refused = recorder.append(TARGET, entry('a'), ignore, 5000);
      await expect(refused).rejects.toEqual(new NotRecorded(code));
      expect(calls).toBe(1);
    },
  );

  it('does not take an answer that is short of entries for a record', async () => {
    const recorder = new Recorder({
      object: () => ({ append: async () => [] }) as unknown as AuditLogRpc,
      shards: 1,
      attemptMs: 50,
    });
    await expect(recorder.append(TARGET, entry('a'), ignore, 200)).rejects.toBeInstanceOf(NotRecorded);
  });

  it('keeps an isolate to one shard per tenant', () => {
    const draws = [0.99, 0.01, 0.5];
    const recorder = new Recorder({ object: fakeLog().object, shards: 4, random: () => draws.shift() ?? 0 });
    expect(recorder.target('acme')).toEqual({ tenant: 'acme', shard: 3 });
    expect(recorder.target('acme')).toEqual({ tenant: 'acme', shard: 3 });
    expect(recorder.target('globex')).toEqual({ tenant: 'globex', shard: 0 });
  });
});
