import { DatabaseSync } from 'node:sqlite';
import type { Sql, SqlRow, SqlValue } from '../sql.ts';

/** Storage failed. What of it was kept, whoever gets this cannot tell. */
export class StorageFailure extends Error {}

/** Where in a transaction storage fails: before its n-th write (from 1), at its commit, or just behind it. */
export type StorageFault = number | 'commit' | 'committed';

interface Table {
  readonly sql: string;
  readonly name: string;
  readonly rows: readonly SqlRow[];
}

const WRITES = /^\s*(INSERT|UPDATE|DELETE)\b/i;

/** The `Sql` port over a database in memory, which can fail, and can be put back to an earlier state. */
export class MemoryStore implements Sql {
  readonly #database = new DatabaseSync(':memory:');
  #fault: StorageFault | undefined;
  #writes = 0;
  #open = false;

  exec<R extends SqlRow>(query: string, ...bindings: SqlValue[]): R[] {
    if (WRITES.test(query)) {
      if (!this.#open) throw new Error('a write outside of a transaction');
      if (++this.#writes === this.#fault) this.#fail('write');
    }
    return this.#database.prepare(query).all(...bindings) as unknown as R[];
  }

  transaction<T>(run: () => T): T {
    if (this.#open) throw new Error('a transaction in a transaction');
    this.#database.exec('BEGIN');
    this.#open = true;
    this.#writes = 0;
    try {
      const result = run();
      if (result instanceof Promise) throw new Error('a transaction that awaits');
      if (this.#fault === 'commit') this.#fail('commit');
      this.#database.exec('COMMIT');
      this.#open = false;
      if (this.#fault === 'committed' && this.#writes > 0) this.#fail('answer');
      return result;
    } catch (error) {
      if (this.#open) this.#database.exec('ROLLBACK');
      this.#open = false;
      throw error;
    }
  }

  /** Statements of the last transaction that wrote. */
  get writes(): number {
    return this.#writes;
  }

  /** Makes the next transaction that gets that far fail, once. */
  fail(fault: StorageFault): void {
    this.#fault = fault;
  }

  /** Runs something that no fault is meant for. */
  undisturbed<T>(run: () => T): T {
    const fault = this.#fault;
    this.#fault = undefined;
    try {
      return run();
    } finally {
      this.#fault = fault;
    }
  }

  /** Whether the fault is still to come; it is taken back. */
  disarm(): boolean {
    const pending = this.#fault !== undefined;
    this.#fault = undefined;
    return pending;
  }

  #fail(what: string): never {
    this.#fault = undefined;
    throw new StorageFailure(what);
  }

  snapshot(): readonly Table[] {
    const tables = this.exec<{ name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'",
    );
    return tables.map(({ name, sql }) => ({
      name,
      sql,
      rows: sql.startsWith('CREATE TABLE') ? this.exec(`SELECT * FROM ${name}`) : [],
    }));
  }

  /** Storage as it was: whoever cached anything of it must be started anew. */
  restore(tables: readonly Table[]): void {
    this.transaction(() => {
      for (const { name } of this.exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table'",
      )) {
        this.#database.exec(`DROP TABLE ${name}`);
      }
      for (const { name, sql, rows } of tables) {
        this.#database.exec(sql);
        for (const row of rows) {
          const values = Object.values(row);
          this.exec(`INSERT INTO ${name} VALUES (${values.map(() => '?').join(', ')})`, ...values);
        }
      }
    });
  }
}
