import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CallFailed, type Failure, FakeStore } from '../../../tests/fakes/adopt-store.ts';
import { type AdoptParts, adopt, type Result } from './adopt.ts';
import { Journal } from './journal.ts';
import { parseMapping } from './mapping.ts';
import { adopted } from './move.ts';
import type { NewRow, Row } from './store.ts';

let dir: string;
let runs = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-adopt-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const MAPPING = parseMapping(
  JSON.stringify({ user_id: { a: 'acme', b: 'acme', '*': 'globex' }, tenants: ['acme', 'globex'] }),
);

// Few texts and ids, so that most memories have others that are the same, also where they are to go.
const raw = fc.record({
  user: fc.constantFrom('a', 'b', 'c'),
  run: fc.constantFrom(undefined, 'r1'),
  text: fc.constantFrom('tea', 'coffee'),
});
const failure = fc.constantFrom<Failure>('refused', 'lost', 'late');

const told = (rows: Iterable<NewRow | Row>) =>
  [...rows].map(({ ids, memory, metadata }) => JSON.stringify([ids, memory, metadata])).sort();

it('moves every memory once, whatever call fails or is answered late, and touches no other', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(raw, { maxLength: 8 }),
      fc.array(raw, { maxLength: 6 }),
      fc.array(fc.tuple(fc.nat(40), failure), { maxLength: 6 }),
      async (raws, standing, failures) => {
        const store = new FakeStore();
        const idsOf = ({ user, run }: { user: string; run: string | undefined }) => ({
          user_id: user,
          ...(run === undefined ? {} : { run_id: run }),
        });
        const tenantOf = (user: string) => (user === 'c' ? 'globex' : 'acme');
        const moved = raws.map((one) => store.rows.get(store.put(idsOf(one), one.text))!);
        const expected = moved.map((row) => adopted(row, tenantOf(row.ids.user_id!)));
        for (const one of standing) {
          const row = { id: '', ids: idsOf(one), memory: one.text, metadata: {} };
          const { ids, memory } = adopted(row, tenantOf(one.user));
          store.put(ids, memory);
        }
        const kept = [...store.rows.values()].filter(({ ids }) => ids.user_id!.includes(':'));
        const path = join(dir, `journal-${++runs}`);
        const result = await untilDone(store, path, failures);
        expect(told(store.rows.values())).toEqual(told([...expected, ...kept]));
        for (const { id } of kept) expect(store.rows.has(id)).toBe(true);
        expect(result.tenants.reduce((sum, { memories }) => sum + memories, 0)).toBe(moved.length);
      },
    ),
    { numRuns: 150 },
  );
});

it.each<Failure>(['refused', 'lost', 'late'])(
  'takes nothing for an addition that was %s but what it made',
  async (how) => {
    const store = new FakeStore();
    const before = store.put({ user_id: 'acme:a' }, 'tea');
    const old = store.put({ user_id: 'a' }, 'tea');
    // Everybody's list, the memory itself and what stands where it goes come before the addition.
    await untilDone(store, join(dir, `journal-${++runs}`), [[3, how]]);
    expect(told(store.rows.values())).toEqual(
      told(Array(2).fill({ ids: { user_id: 'acme:a' }, memory: 'tea', metadata: {} })),
    );
    expect(store.rows.has(before)).toBe(true);
    expect(store.rows.has(old)).toBe(false);
  },
);

it('goes in rounds over more than the lists show, and finds a lost addition behind their end', async () => {
  const store = new FakeStore();
  for (let n = 0; n < 2300; n++) store.put({ user_id: n < 1700 ? 'a' : 'c' }, `memory ${n % 100}`);
  const expected = [...store.rows.values()].map((row) =>
    adopted(row, row.ids.user_id === 'a' ? 'acme' : 'globex'),
  );
  const result = await untilDone(store, join(dir, `journal-${++runs}`), [
    [1500 * 5, 'lost'],
    [6, 'lost'],
    [7, 'late'],
  ]);
  expect(told(store.rows.values())).toEqual(told(expected));
  expect(result).toMatchObject({ tenants: [{ memories: 1700 }, { memories: 600 }], hidden: false });
});

describe('what is not as it should be', () => {
  const once = (store: FakeStore) => untilDone(store, join(dir, `journal-${++runs}`), []);

  /** Runs it with something that happens as soon as a memory was added. */
  async function whenAdded(happens: (store: FakeStore, old: string, added: string) => void) {
    const store = new FakeStore();
    const old = store.put({ user_id: 'a' }, 'tea');
    const add = store.add.bind(store);
    store.add = async (row) => {
      const added = await add(row);
      happens(store, old, added);
      return added;
    };
    const failed = expect(once(store)).rejects;
    return { store, failed };
  }
  const change = (store: FakeStore, id: string, memory: string) =>
    store.rows.set(id, { ...store.rows.get(id)!, memory });

  it('a copy that is not the same is taken back', async () => {
    const { store, failed } = await whenAdded((rows, _, added) => change(rows, added, 'TEA'));
    await failed.toThrow(/^Memory \S+: It was added again as \S+, which is not the same/);
    expect(told(store.rows.values())).toEqual(['[{"user_id":"a"},"tea",{}]']);
  });

  it('a memory that is changed meanwhile keeps the change', async () => {
    const { store, failed } = await whenAdded((rows, old) => change(rows, old, 'coffee'));
    await failed.toThrow('was changed while it was moved');
    expect(told(store.rows.values())).toEqual(['[{"user_id":"a"},"coffee",{}]']);
    await once(store);
    expect(told(store.rows.values())).toEqual(['[{"user_id":"acme:a"},"coffee",{}]']);
  });

  it('a memory that is removed meanwhile, by a client or another run, does not come back', async () => {
    const { store, failed } = await whenAdded((rows, old) => rows.rows.delete(old));
    await failed.toThrow('removed by somebody else');
    expect(store.rows.size).toBe(0);
  });

  it('an answer that names a memory which was there removes nothing', async () => {
    const store = new FakeStore();
    const before = store.put({ user_id: 'acme:a' }, 'tea');
    const old = store.put({ user_id: 'a' }, 'tea');
    store.add = async () => before;
    await expect(once(store)).rejects.toThrow('named a memory that was there');
    expect([...store.rows.keys()]).toEqual([before, old]);
  });

  it('a memory without a tenant stops it before the first', async () => {
    const store = new FakeStore();
    store.put({ user_id: 'a' }, 'tea');
    store.put({ run_id: 'r' }, 'whose?');
    await expect(once(store)).rejects.toThrow('1 cannot be moved, and nothing was done');
    expect(told(store.rows.values())).toEqual(['[{"run_id":"r"},"whose?",{}]', '[{"user_id":"a"},"tea",{}]']);
  });

  it('a new one that a client changed since is not undone when the old one is gone already', async () => {
    const store = new FakeStore();
    store.put({ user_id: 'a' }, 'tea');
    // Everybody's list, the memory, what stands there, the addition, both again: then the removal.
    const path = join(dir, `journal-${++runs}`);
    await expect(untilDone(store, path, [[6, 'lost']], 1)).rejects.toThrow('did not end');
    const [row] = store.rows.values();
    expect(row?.ids).toEqual({ user_id: 'acme:a' });
    change(store, row!.id, 'coffee');
    await untilDone(store, path, []);
    expect(told(store.rows.values())).toEqual(['[{"user_id":"acme:a"},"coffee",{}]']);
  });
});

it('waits, before it looks for a lost addition, until that can no longer be under way', async () => {
  const store = new FakeStore();
  store.put({ user_id: 'a' }, 'tea');
  const waits: number[] = [];
  const times = { now: () => 10_000, sleep: async (ms: number) => void waits.push(ms) };
  const path = join(dir, `journal-${++runs}`);
  await expect(untilDone(store, path, [[3, 'late']], 1, times)).rejects.toThrow('did not end');
  await untilDone(store, path, [], 1, { ...times, now: () => 12_000 });
  expect(waits).toEqual([3000]);
});

/** Each failed call is a crash: the next run has nothing but the journal. */
async function untilDone(
  store: FakeStore,
  path: string,
  failures: readonly (readonly [after: number, how: Failure])[],
  most = failures.length + 1,
  times: Partial<AdoptParts> = {},
): Promise<Result> {
  for (const next of [...failures, undefined].slice(0, most)) {
    store.failures = new Map(next ? [[store.calls + next[0], next[1]]] : []);
    const journal = new Journal(path, 'http://mem0');
    try {
      const parts = { store, mapping: MAPPING, journal, signal: new AbortController().signal };
      return await adopt({ ...parts, moved: () => {}, sleep: async () => {}, ...times });
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
    } finally {
      journal.close();
    }
  }
  throw new Error('it did not end');
}
