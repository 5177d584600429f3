export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = { readonly [column: string]: SqlValue };

/** The object's own SQLite: synchronous, so that nothing can come between reading a log's head and moving it. */
export interface Sql {
  exec<R extends SqlRow>(query: string, ...bindings: SqlValue[]): R[];
  /** All or nothing. @throws whatever `run` throws, with nothing of it kept. */
  transaction<T>(run: () => T): T;
}
