import type { RecordMembers } from '../../core/record.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import type { Change } from './ledger.ts';

/** More open keys than this in a log share one. */
const MAX_OPEN = 1000;
/** The shared key; no key of the Worker's is one word. */
const OTHER = 'other';

type CounterRow = {
  key: string;
  window_end: number;
  count: number;
  epoch: number;
  idx: number;
  leaf: string;
  members: string;
};

export interface Coalesced {
  readonly place: { readonly epoch: number; readonly idx: number; readonly leaf: string };
  /** It was the first of its key and has a record of its own. */
  readonly first: boolean;
}

/**
 * The first entry of a key in a window becomes a record; later ones raise the key's counter, which is durable
 * before their answer, and are answered with the first one's place.
 */
export function coalesce(
  change: Change,
  { key, windowMs }: NonNullable<AppendEntry['coalesce']>,
  members: RecordMembers,
  draft: readonly string[],
): Coalesced {
  const own = raise(change, key);
  if (own) return own;
  const [{ open }] = change.sql.exec<{ open: number }>('SELECT count(*) AS open FROM counter') as [
    { open: number },
  ];
  if (open < MAX_OPEN) return begin(change, key, windowMs, members, draft);
  const { request_id, tenant, decision } = members;
  const other = { v: 1, phase: 'outcome', request_id, tenant, decision, reasons: ['other'] } as const;
  return raise(change, OTHER) ?? begin(change, OTHER, windowMs, other);
}

/** Whether an entry of this key would only raise a counter, which takes no room. */
export function isOpen(change: Change, key: string): boolean {
  const [row] = change.sql.exec<CounterRow>('SELECT * FROM counter WHERE key = ?', key);
  return row !== undefined && row.window_end > change.now;
}

function raise(change: Change, key: string): Coalesced | undefined {
  const [row] = change.sql.exec<CounterRow>('SELECT * FROM counter WHERE key = ?', key);
  if (!row) return undefined;
  if (row.window_end <= change.now) {
    close(change, row);
    return undefined;
  }
  change.sql.exec('UPDATE counter SET count = count + 1 WHERE key = ?', key);
  return { place: { epoch: row.epoch, idx: row.idx, leaf: row.leaf }, first: false };
}

function begin(
  change: Change,
  key: string,
  windowMs: number,
  members: RecordMembers,
  draft?: readonly string[],
): Coalesced {
  const place = { epoch: change.state.epoch, idx: change.state.size, leaf: change.add(members, draft).leaf };
  const end = (Math.floor(change.now / windowMs) + 1) * windowMs;
  change.sql.exec(
    'INSERT INTO counter (key, window_end, count, epoch, idx, leaf, members) VALUES (?, ?, 0, ?, ?, ?, ?)',
    ...[key, end, place.epoch, place.idx, place.leaf, JSON.stringify(members)],
  );
  return { place, first: true };
}

/** One record stands for all that came after the first; the key, which may hold an address, goes. */
function close(change: Change, row: CounterRow): void {
  if (row.count > 0) {
    const { detail, ...members } = JSON.parse(row.members) as RecordMembers;
    const first = change.place(row.epoch, row.idx);
    change.add({
      ...members,
      count: row.count,
      detail: { ...detail, first: { log: first.log, index: first.index } },
    });
  }
  change.sql.exec('DELETE FROM counter WHERE key = ?', row.key);
}

/** Closes counters whose window is over. */
export function closeCounters(change: Change, most: number): number {
  const rows = change.sql.exec<CounterRow>(
    'SELECT * FROM counter WHERE window_end <= ? ORDER BY window_end LIMIT ?',
    ...[change.now, most],
  );
  for (const row of rows) close(change, row);
  return rows.length;
}
