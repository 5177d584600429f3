import type { SealedRecord } from '../../core/record.ts';
import type { Sql } from '../storage/sql.ts';

/** An idempotency key and its answer. */
export type KeyRow = {
  readonly name: string;
  readonly digest: string;
  readonly epoch: number;
  readonly idx: number;
  readonly leaf: string;
  readonly expires: number;
  readonly conflicted: number;
};

/** An intent that waits for its outcome or, orphaned, for its correction. */
export type IntentRow = {
  readonly request_id: string;
  readonly epoch: number;
  readonly idx: number;
  readonly due: number;
  readonly orphaned: number;
  /** JSON. */
  readonly members: string;
};

/** What one statement is given at most, before it is quoted and encoded: the object's SQLite takes no text above 2 MB. */
const STATEMENT_CHARS = 300_000;

/**
 * Rows of a change that are not in SQLite yet. They go there by one statement for each table: a statement costs as much
 * as several rows. Whoever reads the tables has them written first.
 */
export class Rows {
  readonly #sql: Sql;
  #records: SealedRecord[] = [];
  /** Of `#records`, whose indexes follow each other. */
  #epoch = 0;
  #recordChars = 0;
  #keys: KeyRow[] = [];
  #opened = new Map<string, IntentRow>();
  #openedChars = 0;
  #closed = new Set<string>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  addRecord(epoch: number, record: SealedRecord): void {
    const chars = this.#recordChars + record.text.length;
    if (epoch !== this.#epoch || chars > STATEMENT_CHARS) this.#writeRecords();
    this.#epoch = epoch;
    this.#recordChars += record.text.length;
    this.#records.push(record);
  }

  addKey(row: KeyRow): void {
    this.#keys.push(row);
  }

  addIntent(row: IntentRow): void {
    if (this.#openedChars + row.members.length > STATEMENT_CHARS) this.write();
    this.#openedChars += row.members.length;
    this.#opened.set(row.request_id, row);
  }

  /** Closes an intent that lies in SQLite, or here. */
  removeIntent(requestId: string): void {
    if (!this.#opened.delete(requestId)) this.#closed.add(requestId);
  }

  write(): void {
    this.#writeRecords();
    const keys = this.#keys.splice(0);
    if (keys.length > 0) {
      this.#sql.exec(
        `INSERT INTO key (name, digest, epoch, idx, leaf, expires)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)`,
        JSON.stringify(keys.map((row) => [row.name, row.digest, row.epoch, row.idx, row.leaf, row.expires])),
      );
    }
    if (this.#closed.size > 0) {
      const closed = JSON.stringify([...this.#closed]);
      this.#closed.clear();
      this.#sql.exec('DELETE FROM intent WHERE request_id IN (SELECT value FROM json_each(?))', closed);
    }
    if (this.#opened.size > 0) {
      const opened = [...this.#opened.values()];
      this.#opened.clear();
      this.#openedChars = 0;
      this.#sql.exec(
        `INSERT INTO intent (request_id, epoch, idx, due, orphaned, members)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)`,
        JSON.stringify(opened.map((r) => [r.request_id, r.epoch, r.idx, r.due, r.orphaned, r.members])),
      );
    }
  }

  #writeRecords(): void {
    const [first] = this.#records;
    if (first === undefined) return;
    const records = this.#records.splice(0);
    this.#recordChars = 0;
    const from = [this.#epoch, first.place.index];
    this.#sql.exec(
      'INSERT INTO leaf (epoch, idx, hash) SELECT ?, ? + key, value FROM json_each(?)',
      ...[...from, JSON.stringify(records.map(({ leaf }) => leaf))],
    );
    this.#sql.exec(
      `INSERT INTO record (epoch, idx, time, size, text)
       SELECT ?, ? + key, ?, octet_length(value), value FROM json_each(?)`,
      ...[...from, first.time, JSON.stringify(records.map(({ text }) => text))],
    );
  }
}

/** The keys among these that were used, by name. */
export function findKeys(sql: Sql, names: readonly string[]): Map<string, KeyRow> {
  const rows = sql.exec<KeyRow>(
    'SELECT key.* FROM json_each(?) AS asked CROSS JOIN key ON key.name = asked.value',
    JSON.stringify(names),
  );
  return new Map(rows.map((row) => [row.name, row]));
}

/** The intents of these requests that wait, by request. */
export function findIntents(sql: Sql, requestIds: readonly string[]): Map<string, IntentRow> {
  const rows = sql.exec<IntentRow>(
    'SELECT intent.* FROM json_each(?) AS asked CROSS JOIN intent ON intent.request_id = asked.value',
    JSON.stringify(requestIds),
  );
  return new Map(rows.map((row) => [row.request_id, row]));
}
