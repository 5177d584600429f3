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

const ignore = () => undefined;

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

  it('opens another batch for what comes while a call is under way', async () => {
    const log = fakeLog();
    const recorder = new Recorder({ object: log.object, shards: 1 });
    await recorder.append(TARGET, entry('a'), ignore, 1000);
    await recorder.append(TARGET, entry('b'), ignore, 1000);
    expect(log.calls).toEqual([['a:outcome'], ['b:outcome']]);
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
