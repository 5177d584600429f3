import { expect, it } from 'vitest';
import type { Sql, SqlValue } from './sql.ts';
import { tablesOf } from './tables.ts';
import { MemoryStore } from './testing/store.ts';

const A = 'CREATE TABLE IF NOT EXISTS a (n INTEGER)';
const INDEX = 'CREATE INDEX IF NOT EXISTS a_n ON a (n)';
const B = 'CREATE TABLE IF NOT EXISTS b (n INTEGER)';

/** What was asked of a store, but for what it answered. */
function watched(store = new MemoryStore()) {
  const asked: string[] = [];
  const sql: Pick<Sql, 'exec'> = {
    exec: (query: string, ...bindings: SqlValue[]) => {
      asked.push(query);
      return store.exec(query, ...bindings);
    },
  };
  return { store, sql, asked };
}

const namesIn = (store: MemoryStore) =>
  store.exec<{ name: string }>('SELECT name FROM sqlite_master ORDER BY name').map(({ name }) => name);

it('makes all tables of a new storage, and later looks once and writes nothing', () => {
  const make = tablesOf([A, INDEX, B]);
  const { store, sql, asked } = watched();
  make(sql);
  expect(namesIn(store)).toEqual(['a', 'a_n', 'b']);
  expect(asked.splice(0)).toHaveLength(4);
  make(sql);
  expect(asked).toEqual([expect.stringMatching(/^SELECT /)]);
});

it('makes what a storage of an earlier version lacks, and leaves what it holds', () => {
  const { store, sql } = watched();
  tablesOf([A])(sql);
  store.transaction(() => store.exec('INSERT INTO a VALUES (7)'));
  tablesOf([A, INDEX, B])(sql);
  expect(namesIn(store)).toEqual(['a', 'a_n', 'b']);
  expect(store.exec('SELECT n FROM a')).toEqual([{ n: 7 }]);
});

it.each(['CREATE TABLE a (n INTEGER)', 'DROP TABLE a', `${A}; ${B}`])('refuses %s', (statement) => {
  expect(() => tablesOf([statement])).toThrow('not a statement that makes');
});
