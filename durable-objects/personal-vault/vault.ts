import type { SealedValue } from '../../core/personal.ts';
import type { Sql } from '../storage/sql.ts';
import { tablesOf } from '../storage/tables.ts';

/**
 * One object's part of a tenant's vault: tokens, and the values that they stand for, encrypted. Pure and synchronous; it
 * sees no value. Every change that Postgres has to learn is noted with it, in the same transaction.
 */
export type VaultRow = { seq: number; token: string; lookup: string; kid: string; jwe: string };

const makeTables = tablesOf([
  // Several rows may have one lookup: whoever has only the old key while others have the new one, too, does not find what
  // they kept, and gives the value a second token. Records name both, so none of the rows can go.
  `CREATE TABLE IF NOT EXISTS personal (
    seq INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, lookup TEXT NOT NULL, kid TEXT NOT NULL, jwe TEXT NOT NULL,
    copied INTEGER NOT NULL DEFAULT 0
  ) STRICT`,
  'CREATE INDEX IF NOT EXISTS personal_lookup ON personal (lookup)',
  'CREATE INDEX IF NOT EXISTS personal_waiting ON personal (copied) WHERE copied = 0',
  'CREATE INDEX IF NOT EXISTS personal_kid ON personal (kid)',
  // Tokens whose copy has to go.
  'CREATE TABLE IF NOT EXISTS erased (token TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID',
  'CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), tenant TEXT NOT NULL) STRICT',
]);

/** Moves rows out of the table of earlier versions, in which a lookup had one row; a table cannot drop that by itself. */
function allowSecondRows(sql: Sql): void {
  const before = sql.exec(
    "SELECT 1 FROM sqlite_master WHERE name = 'personal' AND sql LIKE '%lookup TEXT NOT NULL UNIQUE%'",
  );
  if (before.length === 0) return;
  sql.transaction(() => {
    // They would go with the renamed table, and keep their names from the new one.
    sql.exec('DROP INDEX IF EXISTS personal_waiting');
    sql.exec('DROP INDEX IF EXISTS personal_kid');
    sql.exec('ALTER TABLE personal RENAME TO personal_before');
    makeTables(sql);
    sql.exec(
      `INSERT INTO personal (token, lookup, kid, jwe, copied)
        SELECT token, lookup, kid, jwe, copied FROM personal_before`,
    );
    sql.exec('DROP TABLE personal_before');
  });
}

/** The platform binds at most 100 parameters to a statement. */
const CHUNK = 90;

export class Vault {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    allowSecondRows(sql);
    makeTables(sql);
  }

  /** Whose vault this is; `undefined` while it holds nothing. */
  get tenant(): string | undefined {
    return this.#sql.exec<{ tenant: string }>('SELECT tenant FROM owner')[0]?.tenant;
  }

  /**
   * The token of each value, which is given by its lookups, one for each key; `null`: it has none. Of several tokens it is
   * the oldest, so that a second one does not take the place of the one that records have named so far.
   */
  find(values: readonly (readonly string[])[]): (string | null)[] {
    return this.findAll(values).map(([oldest]) => oldest ?? null);
  }

  /** All tokens of each value, the oldest first. */
  findAll(values: readonly (readonly string[])[]): string[][] {
    const all = [...new Set(values.flat())];
    const rows: Pick<VaultRow, 'seq' | 'token' | 'lookup'>[] = [];
    for (let at = 0; at < all.length; at += CHUNK) {
      const some = all.slice(at, at + CHUNK);
      rows.push(
        ...this.#sql.exec<(typeof rows)[number]>(
          `SELECT seq, token, lookup FROM personal WHERE lookup IN (${some.map(() => '?').join(', ')})`,
          ...some,
        ),
      );
    }
    const known = Map.groupBy(rows, ({ lookup }) => lookup);
    return values.map((lookups) =>
      lookups
        .flatMap((lookup) => known.get(lookup) ?? [])
        .sort((a, b) => a.seq - b.seq)
        .map(({ token }) => token),
    );
  }

  /**
   * Keeps values, each with its lookups under every key. One that is there already keeps the token that it has: two
   * isolates may meet a value at the same time. @returns the tokens, in order.
   */
  keep(
    tenant: string,
    values: readonly { readonly sealed: SealedValue; readonly lookups: readonly string[] }[],
  ): string[] {
    return this.#sql.transaction(() => {
      this.#sql.exec('INSERT INTO owner (one, tenant) VALUES (1, ?) ON CONFLICT DO NOTHING', tenant);
      return values.map(({ sealed, lookups }) => {
        const [known] = this.find([lookups]);
        if (known != null) return known;
        const { token, lookup, keyId, jwe } = sealed;
        this.#sql.exec(
          'INSERT INTO personal (token, lookup, kid, jwe) VALUES (?, ?, ?, ?)',
          ...[token, lookup, keyId, jwe],
        );
        return token;
      });
    });
  }

  /** The encrypted values of tokens, in order; `null`: there is none, or there is none any more. */
  read(tokens: readonly string[]): (string | null)[] {
    return tokens.map(
      (token) =>
        this.#sql.exec<{ jwe: string }>('SELECT jwe FROM personal WHERE token = ?', token)[0]?.jwe ?? null,
    );
  }

  /**
   * Forgets values, given by their lookups, under every token that they have. Can be repeated. @returns the tokens that
   * are gone now.
   */
  erase(values: readonly (readonly string[])[]): string[] {
    return this.#sql.transaction(() => {
      const tokens = [...new Set(this.findAll(values).flat())];
      for (const token of tokens) {
        this.#sql.exec('DELETE FROM personal WHERE token = ?', token);
        this.#sql.exec('INSERT INTO erased (token) VALUES (?) ON CONFLICT DO NOTHING', token);
      }
      return tokens;
    });
  }

  /** Rows that Postgres does not have, and tokens that it must no longer have; at most so many of each. */
  waiting(limit: number): { readonly rows: readonly VaultRow[]; readonly erased: readonly string[] } {
    return {
      rows: this.#sql.exec<VaultRow>(
        'SELECT seq, token, lookup, kid, jwe FROM personal WHERE copied = 0 LIMIT ?',
        limit,
      ),
      erased: this.#sql
        .exec<{ token: string }>('SELECT token FROM erased LIMIT ?', limit)
        .map(({ token }) => token),
    };
  }

  /** Postgres has them, unless they have become others meanwhile. */
  copied({ rows, erased }: ReturnType<Vault['waiting']>): void {
    this.#sql.transaction(() => {
      for (const { token, jwe } of rows) {
        this.#sql.exec('UPDATE personal SET copied = 1 WHERE token = ? AND jwe = ?', token, jwe);
      }
      for (const token of erased) this.#sql.exec('DELETE FROM erased WHERE token = ?', token);
    });
  }

  /** Rows that one of these keys encrypts, the oldest first, from behind a row. */
  under(keyIds: readonly string[], limit: number, behind = 0): VaultRow[] {
    if (keyIds.length === 0) return [];
    return this.#sql.exec<VaultRow>(
      `SELECT seq, token, lookup, kid, jwe FROM personal
        WHERE kid IN (${keyIds.map(() => '?').join(', ')}) AND seq > ? ORDER BY seq LIMIT ?`,
      ...[...keyIds, behind, limit],
    );
  }

  /** A row that its key does not open is left alone from now on. */
  giveUp({ token, jwe }: VaultRow): void {
    this.#sql.transaction(() => {
      this.#sql.exec("UPDATE personal SET kid = '' WHERE token = ? AND jwe = ?", token, jwe);
    });
  }

  /** Puts a row under another key, unless it was erased or changed meanwhile. */
  rekey(before: VaultRow, { lookup, keyId, jwe }: SealedValue): void {
    this.#sql.transaction(() => {
      this.#sql.exec(
        'UPDATE personal SET lookup = ?, kid = ?, jwe = ?, copied = 0 WHERE token = ? AND jwe = ?',
        ...[lookup, keyId, jwe, before.token, before.jwe],
      );
    });
  }
}
