import type { Sql } from './sql.ts';

const NAME = /^CREATE (?:TABLE|INDEX) IF NOT EXISTS (\w+) [^;]*$/;

/**
 * What makes an object's tables and indexes, of which each statement makes one, where the storage lacks any. An object
 * that starts again has them all, and learns so by one statement that writes nothing: each of these would cost as much,
 * and a transaction.
 */
export function tablesOf(statements: readonly string[]): (sql: Pick<Sql, 'exec'>) => void {
  const names = statements.map((statement) => {
    const name = NAME.exec(statement)?.[1];
    if (name === undefined)
      throw new Error('not a statement that makes a table or an index if there is none');
    return `'${name}'`;
  });
  const count = `SELECT count(*) AS there FROM sqlite_master WHERE name IN (${names.join(', ')})`;
  return (sql) => {
    const [row] = sql.exec<{ there: number }>(count);
    if (row?.there === names.length) return;
    for (const statement of statements) sql.exec(statement);
  };
}
