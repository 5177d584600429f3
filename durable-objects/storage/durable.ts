import type { Sql, SqlRow, SqlValue } from './sql.ts';

/** The storage of a Durable Object as the state machines see it. */
export function sqlOf(storage: DurableObjectStorage): Sql {
  return {
    exec: <R extends SqlRow>(query: string, ...bindings: SqlValue[]) =>
      storage.sql.exec(query, ...bindings).toArray() as unknown as R[],
    transaction: (run) => storage.transactionSync(run),
  };
}
