import { canonical, type Json } from '../../core/canonical.ts';
import { isObject } from '../../core/json.ts';
import { rootOf } from '../../core/merkle.ts';
import { logName, parseLogName } from '../../core/names.ts';
import { type AuditRecord, beforeFork, leafHash, membersDigest, membersOf } from '../../core/record.ts';
import { TILE_WIDTH } from '../../core/tiles.ts';
import type { Sql } from '../storage/sql.ts';
import { rememberKey } from './append.ts';
import { learnIntent, moveIntent } from './intents.ts';
import type { Change } from './ledger.ts';
import type { State } from './schema.ts';
import type { SinkState, StoredRecord } from './sink.ts';
import { addLeaf, leafAt, packLeaves, treeSize, treeSource, truncateTree } from './tree.ts';

/**
 * How a log goes on after a fork: in the epoch after the highest that Postgres knows. First it takes in what Postgres
 * holds and this object does not know: the hashes, so that the closed epoch can be proven, and which intents wait.
 * Then the new epoch begins with a `log_fork` event, and each record that Postgres lacks is appended again. Every step
 * is one transaction, and whoever restarts goes on with the next; until the last one nothing is acknowledged.
 */
export type RecoveryStep =
  /**
   * What Postgres holds of a log from an index on is to be read, and given to `takeIn`. With `last`, the new epoch names
   * this one: where there is nothing to read, it has to be closed there before that is given.
   */
  | { readonly kind: 'take_in'; readonly log: string; readonly first: number; readonly last: boolean }
  /** Records that Postgres lacks are to be appended again, by `appendAgain`. */
  | { readonly kind: 'append_again' };

type RecoveryRow = {
  cause: string;
  /** The epoch that the object was in, and the highest of Postgres or that one. */
  epoch: number;
  last: number;
  /** What is taken in: an epoch, the index that it began with there, and the next one. */
  taking: number;
  start: number;
  next: number;
  /** Of `epoch`, the first index that Postgres does not hold as this object does; null until that is known. */
  lacks: number | null;
};

/** Records that one step appends again. */
const RECORDS = 200;

function load(sql: Sql): RecoveryRow | undefined {
  return sql.exec<RecoveryRow>('SELECT * FROM recovery')[0];
}

/** The next step; `undefined` when no recovery is under way. */
export function nextStep(sql: Sql, state: Readonly<State>): RecoveryStep | undefined {
  const row = load(sql);
  if (!row) return undefined;
  if (state.epoch > row.last) return { kind: 'append_again' };
  const last = row.taking === row.last && !notBegun(row);
  return { kind: 'take_in', log: logName({ ...state, epoch: row.taking }), first: row.next, last };
}

/** As far as it was read, an epoch after the object's own has no records: somebody closed the one before it, and went back. */
function notBegun({ taking, epoch, next }: RecoveryRow): boolean {
  return taking > epoch && next === 0;
}

/** Begins a recovery of a forked log from what Postgres says of it. */
export function beginRecovery({ sql, state }: Change, { head, highestEpoch }: SinkState): void {
  // What was confirmed is taken as known; its last record shows whether that still holds.
  const start = Math.max(0, Math.min(state.flushed, head) - 1);
  sql.exec(
    'INSERT INTO recovery (one, cause, epoch, last, taking, start, next, lacks) VALUES (1, ?, ?, ?, ?, ?, ?, NULL)',
    ...[state.fork, state.epoch, Math.max(state.epoch, highestEpoch), state.epoch, start, start],
  );
}

/**
 * Takes in records from `first` on. None: their epoch ends, and after the last one a new begins. Of an archived record
 * only its hash is known, which is what the tree wants; nobody waits for it any more.
 */
export function takeIn(
  change: Change,
  first: number,
  records: readonly StoredRecord[],
  orphanAfterMs: number,
): void {
  const { sql } = change;
  const row = load(sql);
  if (row?.next !== first) return;
  if (records.length === 0) {
    endEpoch(change, row);
    return;
  }
  for (const [at, record] of records.entries()) {
    const index = first + at;
    const leaf = 'leaf' in record ? record.leaf : leafHash(Buffer.from(record.text, 'utf8'));
    const known = leafAt(sql, row.taking, index);
    if (known === leaf) continue;
    if (known !== undefined && index === row.start && index > 0) {
      // Postgres holds other records than it had confirmed: all of them are looked at.
      goOnFrom(sql, row.taking, 0);
      return;
    }
    if (known !== undefined) {
      sql.exec('UPDATE recovery SET lacks = ?', index);
      truncateTree(sql, row.taking, index);
    }
    addLeaf(sql, row.taking, index, leaf);
    if ((index + 1) % TILE_WIDTH === 0) packLeaves(sql, row.taking, index + 1, 1);
    if ('text' in record) learn(change, { epoch: row.taking, idx: index, leaf }, record.text, orphanAfterMs);
  }
  sql.exec('UPDATE recovery SET next = ?', first + records.length);
}

function goOnFrom(sql: Sql, epoch: number, start: number): void {
  sql.exec('UPDATE recovery SET taking = ?, start = ?, next = ?', epoch, start, start);
}

/** What a record that only Postgres had says of intents, of keys, and of records that were appended again before. */
function learn(change: Change, place: Kept, text: string, orphanAfterMs: number): void {
  const record = recordIn(text);
  if (record === undefined) return;
  learnIntent(change, membersOf(record), place, orphanAfterMs);
  const { phase, count, reasons, request_id: id } = record;
  // Whoever still asks for its answer gets this one. What the object wrote by itself has no key.
  if (phase !== 'event' && count === undefined && !reasons.includes('orphaned')) {
    const sent = { ...membersOf(record), ...(phase === 'correction' ? { phase: 'outcome' as const } : {}) };
    rememberKey(change, `${id}:${sent.phase}`, membersDigest(sent), place, record.time);
  }
  if (isFork(record)) closeAt(change, place.epoch - 1, record.detail?.size);
  const before = beforeFork(record);
  const own = before && parseLogName(before.log);
  if (!own || !Number.isSafeInteger(before.index)) return;
  const was = [own.epoch, before.index];
  const [held] = change.sql.exec<{ text: string }>(
    'SELECT text FROM record WHERE epoch = ? AND idx = ?',
    ...was,
  );
  if (held?.text !== canonical(before as unknown as Json)) return;
  change.sql.exec('DELETE FROM record WHERE epoch = ? AND idx = ?', ...was);
  moveIntent(change, id, { epoch: own.epoch, idx: before.index }, place);
}

/**
 * What the gateway wrote, which is canonical. Of anything else that is in the database its hash is all that a log wants to
 * know: it may hold what has no digest, or is nested so deeply that none can be made.
 */
function recordIn(text: string): AuditRecord | undefined {
  const value = canonicalIn(text);
  if (!isObject(value) || !Array.isArray(value.reasons)) return undefined;
  const { phase, request_id: id, time } = value;
  const known = typeof phase === 'string' && typeof id === 'string' && Number.isSafeInteger(time);
  return known ? (value as unknown as AuditRecord) : undefined;
}

function canonicalIn(text: string): Json | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return canonical(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFork({ phase, reasons }: AuditRecord): boolean {
  return phase === 'event' && reasons.includes('log_fork');
}

/** An epoch that was closed before this object knew of it ends where its successor says. */
function closeAt({ sql }: Change, epoch: number, size: unknown): void {
  const isSize = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0;
  if (isSize && size < treeSize(sql, epoch)) truncateTree(sql, epoch, size);
}

type Kept = { readonly epoch: number; readonly idx: number; readonly leaf: string };

function endEpoch(change: Change, row: RecoveryRow): void {
  const { sql } = change;
  if (row.taking === row.epoch && row.lacks === null) sql.exec('UPDATE recovery SET lacks = ?', row.next);
  if (row.taking === row.last) {
    const last = notBegun(row) ? row.last - 1 : row.last;
    sql.exec('UPDATE recovery SET last = ?', last);
    beginEpoch(change, { ...row, last });
    return;
  }
  goOnFrom(sql, row.taking + 1, 0);
}

/**
 * The new epoch begins by naming the closed one, its size and its root: as Postgres holds it or, where Postgres lost
 * records that have left this object, as it was.
 */
function beginEpoch(change: Change, { cause, last }: RecoveryRow): void {
  const { sql, state } = change;
  const size = treeSize(sql, last);
  packLeaves(sql, last, size, Number.POSITIVE_INFINITY);
  const root = Buffer.from(rootOf(size, treeSource(sql, last))).toString('hex');
  const log = logName({ ...state, epoch: last });
  const [held] = sql.exec<{ bytes: number | null }>('SELECT sum(size) AS bytes FROM record');
  Object.assign(state, {
    epoch: last + 1,
    size: 0,
    flushed: 0,
    unflushedBytes: 0,
    heldBytes: held?.bytes ?? 0,
  });
  change.add({
    v: 1,
    phase: 'event',
    request_id: `log_fork:${state.epoch}`,
    tenant: state.tenant,
    decision: 'allow',
    reasons: ['log_fork'],
    detail: { cause, log, size, root },
  });
}

type HeldRow = { epoch: number; idx: number; size: number; text: string };

/** Appends records again that Postgres lacks, oldest first; with the last of them the log acknowledges again. */
export function appendAgain(change: Change): void {
  const { sql, state } = change;
  const row = load(sql);
  if (!row || row.lacks === null) return;
  const rows = sql.exec<HeldRow>(
    'SELECT epoch, idx, size, text FROM record WHERE epoch < ? ORDER BY epoch, idx LIMIT ?',
    ...[state.epoch, RECORDS],
  );
  for (const { epoch, idx, size, text } of rows) {
    if (epoch === row.epoch && idx >= row.lacks) {
      const index = state.size;
      const record = JSON.parse(text) as AuditRecord;
      again(change, record);
      moveIntent(change, record.request_id, { epoch, idx }, { epoch: state.epoch, idx: index });
    }
    sql.exec('DELETE FROM record WHERE epoch = ? AND idx = ?', epoch, idx);
    state.heldBytes -= size;
  }
  if (rows.length === RECORDS) return;
  sql.exec('DELETE FROM recovery');
  state.fork = null;
}

/** The record under a new place, from which `beforeFork` makes the old one again, byte for byte. */
function again(change: Change, record: AuditRecord): void {
  const { log, index, time, was } = record;
  change.add({ ...membersOf(record), was: { log, index, time, ...(was ? { was } : {}) } });
}
