import { logName } from '../../core/names.ts';
import type { Sql } from '../storage/sql.ts';
import type { State } from './schema.ts';
import { leafAt } from './tree.ts';

/** Records of a log, one behind the other, as they go to Postgres in one call. */
export interface Batch {
  readonly log: string;
  readonly first: number;
  /** Hex leaf hash of the record at first - 1; absent at the beginning of a log. */
  readonly before?: string;
  /** Of all texts. */
  readonly bytes: number;
  readonly texts: readonly string[];
}

/** What a batch may hold; one record it always may. */
interface Bounds {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * The records from `first` on, within the bounds; `undefined` when there are none, or when they and the bytes that are on
 * their way already come to more than one batch may hold.
 */
export function readBatch(
  sql: Sql,
  state: State,
  first: number,
  most: Bounds,
  onTheirWay: number,
): Batch | undefined {
  const { epoch } = state;
  if (first >= state.size) return undefined;
  const waiting = 'FROM record WHERE epoch = ? AND idx >= ? ORDER BY idx LIMIT ?';
  // Only texts that will be sent are read: a thousand of the largest would not fit into memory.
  const sizes = sql.exec<{ size: number }>(`SELECT size ${waiting}`, epoch, first, most.rows);
  let bytes = 0;
  let count = 0;
  for (const { size } of sizes) {
    if (count > 0 && bytes + size > most.bytes) break;
    bytes += size;
    count++;
  }
  if (onTheirWay > 0 && onTheirWay + bytes > most.bytes) return undefined;
  const texts = sql
    .exec<{ text: string }>(`SELECT text ${waiting}`, epoch, first, count)
    .map(({ text }) => text);
  const before = first > 0 ? leafAt(sql, epoch, first - 1) : undefined;
  return { log: logName(state), first, ...(before && { before }), bytes, texts };
}
