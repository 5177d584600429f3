import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { adopt } from './adopt.ts';
import type { Journal, Move } from './journal.ts';
import { type Ids, KINDS } from './mapping.ts';
import { MOST, type NewRow, type Row, SCANNED, type Store } from './store.ts';

/** A store that has the limits of the Python server, and whose list without ids is raw as its one is. */
function storeOf(rows: readonly NewRow[]) {
  const held = new Map<string, Row>();
  const add = (row: NewRow) => {
    const id = randomUUID();
    held.set(id, { ...row, id });
    return Promise.resolve(id);
  };
  for (const row of rows) void add(row);
  const store: Store = {
    add,
    list: (ids: Ids) => {
      const given = Object.entries(ids);
      const found = [...held.values()].filter((row) =>
        given.every(([kind, id]) => row.ids[kind as keyof Ids] === id),
      );
      const raw = (row: Row): Row => ({ ...row, metadata: { ...row.metadata, text_lemmatized: row.memory } });
      return Promise.resolve((given.length > 0 ? found : found.map(raw)).slice(0, MOST));
    },
    near: () => Promise.resolve([]),
    entities: () => {
      const scanned = [...held.values()].slice(0, SCANNED);
      const counts = Map.groupBy(
        scanned.flatMap(({ ids }) =>
          KINDS.flatMap((kind) => (ids[kind] === undefined ? [] : [`${kind}/${ids[kind]}`])),
        ),
        (key) => key,
      );
      return Promise.resolve(
        [...counts].map(([key, { length }]) => {
          const [kind, id] = key.split('/') as [(typeof KINDS)[number], string];
          return { kind, id, memories: length };
        }),
      );
    },
    get: (id) => Promise.resolve(held.get(id)),
    remove: (id) => {
      held.delete(id);
      return Promise.resolve();
    },
  };
  return { store, held };
}

function run(store: Store, mapping: Parameters<typeof adopt>[0]['mapping']) {
  const moves = new Map<string, Move>();
  const journal: Pick<Journal, 'moves' | 'record'> = {
    moves,
    record: (line) => {
      if ('adopts' in line) moves.set(line.adopts, line.move);
      else if ('added' in line) moves.set(line.added, { ...moves.get(line.added)!, added: line.as });
      else moves.set(line.done, { ...moves.get(line.done)!, done: true });
    },
  };
  const signal = new AbortController().signal;
  return adopt({ store, mapping, journal: journal as Journal, moved: () => undefined, signal });
}

const row = (user_id: string, memory = 'tea'): NewRow => ({ memory, ids: { user_id }, metadata: { n: 1 } });

it('moves what a memory is, and not what Mem0 keeps beside it and shows in a raw list', async () => {
  const { store, held } = storeOf([row('alice')]);
  const { tenants, unseen } = await run(store, { user_id: { '*': 'acme' } });
  expect([...held.values()]).toEqual([{ ...row('acme:alice'), id: expect.any(String) }]);
  expect(tenants).toMatchObject([{ tenant: 'acme', memories: 1 }]);
  expect(unseen).toBe(false);
});

it('finds the ids that the mapping names behind more memories than Mem0 looks through, and says what it cannot', async () => {
  const settled = Array.from({ length: SCANNED + 1 }, (_, n) => row('acme:huge', `memory ${n}`));
  const { store, held } = storeOf([...settled, row('alice'), row('dora')]);
  const { tenants, unseen } = await run(store, { user_id: { alice: 'acme', '*': 'globex' } });
  expect(tenants).toMatchObject([{ tenant: 'acme', memories: 1 }]);
  expect([...held.values()].filter(({ ids }) => ids.user_id !== 'acme:huge').map(({ ids }) => ids)).toEqual([
    { user_id: 'dora' },
    { user_id: 'acme:alice' },
  ]);
  expect(unseen).toBe(true);
});
