import type { Sql } from '../storage/sql.ts';
import { tablesOf } from '../storage/tables.ts';

/**
 * The object's tables. All epochs of a shard are in them, so that recovery after a fork needs no other storage.
 * Hashes are hex; times are integer milliseconds.
 *
 * | table   | a row is                                | written by          | kept                                            |
 * |---------|-----------------------------------------|---------------------|-------------------------------------------------|
 * | state   | the log: name, head, watermark, fork    | every change        | for good                                        |
 * | leaf    | the leaf hash of a record               | append              | until it is in a tile                           |
 * | tile    | 256 hashes of the tree, fewer at its edge | append, pack duty | for good, also when the records have left       |
 * | checkpoint | the last one of an epoch that Postgres stored | checkpointer | for good |
 * | signer | the key that signs, and the size from which on it does | checkpointer | for good |
 * | record  | a record's canonical text               | append              | until Postgres has it, and the keep time after  |
 * | key     | an idempotency key and its answer       | append              | 24 h; 10 min for a coalesced repeat             |
 * | intent  | an intent without its own outcome       | append, orphan duty | until its outcome; 7 days once it is orphaned   |
 * | counter | an open coalescing key                  | append              | until its window closes                         |
 * | recovery | how far the recovery of a fork has come | recovery            | until it is over                                |
 */
const makeTables = tablesOf([
  `CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    flushed INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    unflushed_bytes INTEGER NOT NULL,
    held_bytes INTEGER NOT NULL,
    open_intents INTEGER NOT NULL,
    fork TEXT
  )`,
  `CREATE TABLE IF NOT EXISTS leaf (
    epoch INTEGER NOT NULL, idx INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (epoch, idx)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS tile (
    epoch INTEGER NOT NULL, level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL,
    PRIMARY KEY (epoch, level, idx)
  )`,
  `CREATE TABLE IF NOT EXISTS checkpoint (
    epoch INTEGER PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL, note TEXT NOT NULL, signed INTEGER NOT NULL,
    kept INTEGER NOT NULL, quiet INTEGER NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS signer (
    one INTEGER PRIMARY KEY CHECK (one = 1), key TEXT NOT NULL, epoch INTEGER NOT NULL, since INTEGER NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS record (
    epoch INTEGER NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL, size INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (epoch, idx)
  )`,
  `CREATE TABLE IF NOT EXISTS key (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, epoch INTEGER NOT NULL, idx INTEGER NOT NULL, leaf TEXT NOT NULL,
    expires INTEGER NOT NULL, conflicted INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS key_expires ON key (expires)',
  `CREATE TABLE IF NOT EXISTS intent (
    request_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, idx INTEGER NOT NULL, due INTEGER NOT NULL,
    orphaned INTEGER NOT NULL, members TEXT NOT NULL
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS intent_due ON intent (due)',
  `CREATE TABLE IF NOT EXISTS counter (
    key TEXT PRIMARY KEY, window_end INTEGER NOT NULL, count INTEGER NOT NULL,
    epoch INTEGER NOT NULL, idx INTEGER NOT NULL, leaf TEXT NOT NULL, members TEXT NOT NULL
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS counter_end ON counter (window_end)',
  `CREATE TABLE IF NOT EXISTS recovery (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    cause TEXT NOT NULL, epoch INTEGER NOT NULL, last INTEGER NOT NULL,
    taking INTEGER NOT NULL, start INTEGER NOT NULL, next INTEGER NOT NULL, lacks INTEGER
  )`,
]);

/** 1 had every leaf hash in `leaf` for good. What it left behind is packed into tiles in turns (duties.ts). */
const VERSION = 2;
const BEFORE_TILES = 1;

export interface State {
  readonly tenant: string;
  readonly shard: number;
  epoch: number;
  /** Records in the current epoch; the next index. */
  size: number;
  /** The watermark: records below it are confirmed by Postgres. */
  flushed: number;
  lastTime: number;
  unflushedBytes: number;
  /** Bytes of records below the watermark that are still here. */
  heldBytes: number;
  openIntents: number;
  /** Why the object acknowledges nothing; `null` when it does. */
  fork: string | null;
}

type StateRow = {
  version: number;
  tenant: string;
  shard: number;
  epoch: number;
  size: number;
  flushed: number;
  last_time: number;
  unflushed_bytes: number;
  held_bytes: number;
  open_intents: number;
  fork: string | null;
};

/**
 * Reads the state; makes the tables, and the first epoch of a log that is new.
 * @throws Error when the storage was written by a version that this one does not know.
 */
export function loadState(sql: Sql, name: { tenant: string; shard: number }): State {
  makeTables(sql);
  const [row] = sql.exec<StateRow>('SELECT * FROM state');
  if (!row) {
    sql.exec(
      'INSERT INTO state VALUES (1, ?, ?, ?, 1, 0, 0, 0, 0, 0, 0, NULL)',
      ...[VERSION, name.tenant, name.shard],
    );
    return loadState(sql, name);
  }
  if (row.version === BEFORE_TILES) {
    sql.exec('UPDATE state SET version = ?', VERSION);
    return loadState(sql, name);
  }
  if (row.version !== VERSION) throw new Error('the log is stored in a form of another version');
  return {
    tenant: row.tenant,
    shard: row.shard,
    epoch: row.epoch,
    size: row.size,
    flushed: row.flushed,
    lastTime: row.last_time,
    unflushedBytes: row.unflushed_bytes,
    heldBytes: row.held_bytes,
    openIntents: row.open_intents,
    fork: row.fork,
  };
}

export function saveState(sql: Sql, state: State): void {
  sql.exec(
    `UPDATE state SET epoch = ?, size = ?, flushed = ?, last_time = ?, unflushed_bytes = ?, held_bytes = ?,
     open_intents = ?, fork = ?`,
    ...[state.epoch, state.size, state.flushed, state.lastTime, state.unflushedBytes, state.heldBytes],
    ...[state.openIntents, state.fork],
  );
}
