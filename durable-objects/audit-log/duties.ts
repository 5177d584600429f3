import { TILE_WIDTH } from '../../core/tiles.ts';
import type { Sql } from '../storage/sql.ts';
import { closeCounters } from './coalesce.ts';
import { closeOrphans } from './intents.ts';
import type { Change } from './ledger.ts';
import type { State } from './schema.ts';
import type { AuditLogSettings } from './settings.ts';
import { packedLeaves, packLeaves } from './tree.ts';

/** Rows that one turn of a duty handles, so that no alarm keeps requests waiting. */
const ROWS = 500;

/** Tiles that one turn makes of leaves that an older version left behind: about as much work. */
const TILES = 20;

type Keeping = Pick<AuditLogSettings, 'keepFlushedMs' | 'keepFlushedBytes'>;

/** What falls due with time. Says whether more of it is due at once. */
export function runDuties(change: Change): boolean {
  // A log that acknowledges nothing writes nothing either: its next index is somebody else's already.
  const forked = change.state.fork !== null;
  const orphans = forked ? 0 : closeOrphans(change, ROWS);
  const counters = forked ? 0 : closeCounters(change, ROWS);
  const { epoch, size } = change.state;
  const packed = forked ? 0 : packLeaves(change.sql, epoch, size, TILES);
  return [orphans, counters, forget(change)].includes(ROWS) || packed === TILES;
}

function forget({ sql, now }: Change): number {
  const names = 'SELECT name FROM key WHERE expires <= ? LIMIT ?';
  const expired = sql.exec(`DELETE FROM key WHERE name IN (${names}) RETURNING name`, now, ROWS);
  sql.exec('DELETE FROM intent WHERE orphaned = 1 AND due <= ?', now);
  return expired.length;
}

type HeldRow = { epoch: number; idx: number; time: number; size: number };

const OLDEST_HELD = `SELECT epoch, idx, time, size FROM record
  WHERE (epoch, idx) < (?, ?) ORDER BY epoch, idx LIMIT ?`;

/**
 * Lets go of records that Postgres has, when they are old enough or too many. Their leaf hashes stay. It must come
 * directly behind a comparison: a database that went back since the last one would lose them for good.
 * @param came how many have just come to be held: it keeps pace with them.
 */
export function prune(
  { sql, state, now }: Change,
  { keepFlushedMs, keepFlushedBytes }: Keeping,
  came: number,
): void {
  let last: HeldRow | undefined;
  for (const row of sql.exec<HeldRow>(OLDEST_HELD, state.epoch, state.flushed, ROWS + came)) {
    if (row.time + keepFlushedMs > now && state.heldBytes <= keepFlushedBytes) break;
    state.heldBytes -= row.size;
    last = row;
  }
  if (last) sql.exec('DELETE FROM record WHERE (epoch, idx) <= (?, ?)', last.epoch, last.idx);
}

/** When records may be let go, in the log's time; `undefined` when none is held that Postgres has. */
export function nextPrune(
  sql: Sql,
  state: State,
  { keepFlushedMs, keepFlushedBytes }: Keeping,
): number | undefined {
  const [held] = sql.exec<HeldRow>(OLDEST_HELD, state.epoch, state.flushed, 1);
  if (!held) return undefined;
  return state.heldBytes > keepFlushedBytes ? state.lastTime : held.time + keepFlushedMs;
}

/** Expiry is nothing to wake for to the millisecond. */
const LAZY_MS = 60_000;

/** When the next duty falls due, in the log's time; `undefined` when none is in sight. */
export function nextDuty(sql: Sql, state: State): number | undefined {
  const at = (query: string): number | undefined =>
    sql.exec<{ due: number | null }>(query)[0]?.due ?? undefined;
  const lazily = (due: number | undefined) => (due === undefined ? undefined : due + LAZY_MS);
  const writes = [
    at('SELECT min(due) AS due FROM intent WHERE orphaned = 0'),
    at('SELECT min(window_end) AS due FROM counter'),
    state.size - packedLeaves(sql, state.epoch) < TILE_WIDTH ? undefined : state.lastTime,
  ];
  const due = [
    ...(state.fork === null ? writes : []),
    lazily(at('SELECT min(expires) AS due FROM key')),
    lazily(at('SELECT min(due) AS due FROM intent WHERE orphaned = 1')),
  ];
  const known = due.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
