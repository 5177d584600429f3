import type { GateWrite, StoredGate } from './gate.ts';
import type { Kind } from './request.ts';
import type { Stamp, StoredWindow } from './window.ts';

/**
 * The object's tables. Times are milliseconds of the object's clock.
 *
 * | table       | a row is                  | it holds                                                       |
 * |-------------|---------------------------|----------------------------------------------------------------|
 * | stamp       | an admission of a window  | time, weight, request id (NULL: unknown use), the answer given |
 * | gate_window | a window                  | reservation, longest window asked for, the clock when written  |
 *
 * Each write carries the clock in the row that it changes anyway. The mark and the offset only grow, so the
 * clock is the greater of each.
 */
const TABLES = [
  `CREATE TABLE IF NOT EXISTS stamp (
    kind TEXT NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, weight INTEGER NOT NULL, id TEXT,
    quota INTEGER NOT NULL, remaining INTEGER NOT NULL, reset_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, n)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS gate_window (
    kind TEXT NOT NULL PRIMARY KEY, slots INTEGER NOT NULL, until INTEGER NOT NULL, kept_ms INTEGER NOT NULL,
    mark INTEGER NOT NULL, clock_offset INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
];

type StampRow = {
  kind: Kind;
  at: number;
  n: number;
  weight: number;
  id: string | null;
  quota: number;
  remaining: number;
  reset_ms: number;
};

type WindowRow = {
  kind: Kind;
  slots: number;
  until: number;
  kept_ms: number;
  mark: number;
  clock_offset: number;
};

/**
 * Reads everything; makes the tables when they are not there. By as few statements as can be: an actor who comes back
 * after a pause waits for each to be prepared.
 */
export function load(sql: SqlStorage): StoredGate {
  for (const table of TABLES) sql.exec(table);
  const rows = sql.exec<WindowRow>('SELECT * FROM gate_window').toArray();
  if (rows.length === 0) return { clock: undefined, windows: new Map() };
  const stamps = sql.exec<StampRow>('SELECT * FROM stamp ORDER BY kind, n').toArray();
  const windows = rows.map((row): [Kind, StoredWindow] => [
    row.kind,
    {
      stamps: stamps.filter(({ kind }) => kind === row.kind).map(stampOf),
      reservation: { slots: row.slots, until: row.until },
      keptMs: row.kept_ms,
    },
  ]);
  const clock = {
    mark: Math.max(...rows.map(({ mark }) => mark)),
    offset: Math.max(...rows.map(({ clock_offset: offset }) => offset)),
  };
  return { clock, windows: new Map(windows) };
}

/** Makes one write durable. The caller holds the transaction: half of it would forget a reservation's use. */
export function save(sql: SqlStorage, { kind, clock, window }: GateWrite): void {
  if (window.deleteThrough > 0) {
    sql.exec('DELETE FROM stamp WHERE kind = ? AND n <= ?', kind, window.deleteThrough);
  }
  for (const { at, n, weight, id, answer } of window.insert) {
    sql.exec(
      `INSERT INTO stamp (kind, at, n, weight, id, quota, remaining, reset_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[kind, at, n, weight, id, answer.limit, answer.remaining, answer.resetMs],
    );
  }
  sql.exec(
    `INSERT OR REPLACE INTO gate_window (kind, slots, until, kept_ms, mark, clock_offset) VALUES (?, ?, ?, ?, ?, ?)`,
    ...[kind, window.reservation.slots, window.reservation.until, window.keptMs, clock.mark, clock.offset],
  );
}

function stampOf({ at, n, weight, id, quota, remaining, reset_ms }: StampRow): Stamp {
  return {
    ...{ at, n, weight, id },
    answer: { admitted: true, limit: quota, remaining, resetMs: reset_ms, retryAfterMs: 0 },
  };
}
