import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CallFailed, type Failure, FakeStore } from '../../../tests/fakes/adopt-store.ts';
import { adopt, type Result } from './adopt.ts';
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
      fc.array(raw, { maxLength: 3 }),
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

/** Each failed call is a crash: the next run has nothing but the journal. */
async function untilDone(
  store: FakeStore,
  path: string,
  failures: readonly (readonly [after: number, how: Failure])[],
): Promise<Result> {
  for (const next of [...failures, undefined]) {
    store.failures = new Map(next ? [[store.calls + next[0], next[1]]] : []);
    const journal = new Journal(path, 'http://mem0');
    try {
      const parts = { store, mapping: MAPPING, journal, signal: new AbortController().signal };
      return await adopt({ ...parts, moved: () => {}, sleep: async () => {} });
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
    } finally {
      journal.close();
    }
  }
  throw new Error('it did not end');
}
