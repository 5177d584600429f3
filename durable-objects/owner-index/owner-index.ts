import { DurableObject } from 'cloudflare:workers';
import type { OwnedKind, OwnerIndexRpc } from '../../core/rpc.ts';

export interface OwnerIndexSettings {
  /** How long an id is known after it was last registered, in milliseconds. */
  readonly retentionMs: Readonly<Record<OwnedKind, number>>;
}

export interface OwnerIndexDeps {
  /** The wall clock in milliseconds. */
  readonly now?: () => number;
}

/** Ids in one call; a caller with more makes several. */
const MAX_IDS = 1000;
const MAX_ID_LENGTH = 1024;

/** The platform binds at most 100 parameters to a statement: the kind, a time, the detail and these ids. */
const CHUNK = 97;

/** Expired rows are ignored at once and removed later, this many at a time. */
const SWEEP_ROWS = 1000;
const SWEEP_DELAY_MS = 3_600_000;

const TABLES = [
  `CREATE TABLE IF NOT EXISTS owned (
    kind TEXT NOT NULL, id TEXT NOT NULL, expires_at INTEGER NOT NULL, detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS owned_expires_at ON owned (expires_at)',
];

/**
 * One shard of the ids that a tenant is known to have owned, for what Mem0's own rows cannot prove (any
 * more). An id of which nothing is known is not owned.
 */
export class OwnerIndexObject<E> extends DurableObject<E> implements OwnerIndexRpc {
  readonly #retentionMs: Readonly<Record<OwnedKind, number>>;
  readonly #now: () => number;
  /** The alarm's time, as far as this instance has set it. */
  #alarmAt: number | undefined;

  constructor(ctx: DurableObjectState, env: E, settings: OwnerIndexSettings, deps: OwnerIndexDeps = {}) {
    super(ctx, env);
    this.#retentionMs = settings.retentionMs;
    this.#now = deps.now ?? Date.now;
  }

  /**
   * All of the ids or, when it throws, none. A registration never shortens one that was made before. `detail` is kept
   * with each of them.
   *
   * @throws RangeError on a kind, a number of ids or an id that cannot be; any error of the storage.
   */
  async register(kind: OwnedKind, ids: readonly string[], detail = ''): Promise<void> {
    const retentionMs = this.#check(kind, ids);
    if (!isDetail(detail)) throw new RangeError('a detail is not a well-formed text of bounded length');
    if (ids.length === 0) return;
    const now = this.#now();
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      makeTables(sql);
      for (const chunk of chunks(ids)) {
        sql.exec(
          `INSERT INTO owned (kind, id, expires_at, detail)
           VALUES ${chunk.map((_, i) => `(?1, ?${i + 4}, ?2, ?3)`).join(', ')}
           ON CONFLICT (kind, id) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)`,
          ...[kind, now + retentionMs, detail, ...chunk],
        );
      }
    });
    if (this.#alarmAt === undefined || now + retentionMs + SWEEP_DELAY_MS < this.#alarmAt)
      await this.#arm(now);
  }

  /**
   * Which of the ids are known and not expired, in order.
   *
   * @throws RangeError as `register` does; any error of the storage.
   */
  async owned(kind: OwnedKind, ids: readonly string[]): Promise<boolean[]> {
    this.#check(kind, ids);
    const { sql } = this.ctx.storage;
    const known = new Set<string>();
    if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'owned'").toArray().length > 0) {
      const now = this.#now();
      for (const chunk of chunks(ids)) {
        const rows = sql.exec<{ id: string }>(
          `SELECT id FROM owned WHERE kind = ?1 AND expires_at > ?2 AND id IN (${chunk.map((_, i) => `?${i + 3}`).join(', ')})`,
          ...[kind, now, ...chunk],
        );
        for (const { id } of rows) known.add(id);
      }
    }
    return ids.map((id) => known.has(id));
  }

  /**
   * What was registered with an id.
   *
   * @throws RangeError as `register` does; any error of the storage.
   */
  async detail(kind: OwnedKind, id: string): Promise<string | null> {
    const [known] = await this.owned(kind, [id]);
    if (!known) return null;
    const { sql } = this.ctx.storage;
    makeTables(sql);
    const [row] = sql.exec<{ detail: string }>(
      'SELECT detail FROM owned WHERE kind = ? AND id = ?',
      kind,
      id,
    );
    return row?.detail ?? null;
  }

  /** Removes a bounded number of expired rows; when none are left at all, everything. */
  override async alarm(): Promise<void> {
    // Should this throw more often than the platform retries, the next registration sets the alarm anew.
    this.#alarmAt = undefined;
    const now = this.#now();
    const { sql } = this.ctx.storage;
    makeTables(sql);
    sql.exec(
      `DELETE FROM owned WHERE (kind, id) IN
         (SELECT kind, id FROM owned WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
      ...[now, SWEEP_ROWS],
    );
    await this.#arm(now);
  }

  /**
   * Sets the alarm for the sweep of the earliest row; without rows there is nothing to keep. No await between
   * looking and deleting: a registration in between would be lost.
   */
  async #arm(now: number): Promise<void> {
    const { storage } = this.ctx;
    const { earliest } = storage.sql
      .exec<{ earliest: number | null }>('SELECT min(expires_at) AS earliest FROM owned')
      .one();
    if (earliest === null) {
      await storage.deleteAll();
      return;
    }
    // What has expired by now was left over by a full sweep.
    this.#alarmAt = earliest <= now ? now : earliest + SWEEP_DELAY_MS;
    await storage.setAlarm(this.#alarmAt);
  }

  #check(kind: OwnedKind, ids: readonly string[]): number {
    if (!Object.hasOwn(this.#retentionMs, kind)) throw new RangeError('no such kind of id');
    if (!Array.isArray(ids) || ids.length > MAX_IDS)
      throw new RangeError(`not a list of at most ${MAX_IDS} ids`);
    if (!ids.every(isId)) throw new RangeError('an id is not a well-formed text of bounded length');
    return this.#retentionMs[kind];
  }
}

const MAX_DETAIL = 16_384;

function isDetail(detail: unknown): boolean {
  return typeof detail === 'string' && detail.length <= MAX_DETAIL && detail.isWellFormed();
}

/** Tables that were made before there were details get their column. */
function makeTables(sql: SqlStorage): void {
  for (const table of TABLES) sql.exec(table);
  const columns = sql.exec<{ name: string }>("SELECT name FROM pragma_table_info('owned')").toArray();
  if (columns.some(({ name }) => name === 'detail')) return;
  sql.exec("ALTER TABLE owned ADD COLUMN detail TEXT NOT NULL DEFAULT ''");
}

/** A lone surrogate would be stored as another character, and then found under it. */
function isId(id: unknown): boolean {
  return typeof id === 'string' && id.length > 0 && id.length <= MAX_ID_LENGTH && id.isWellFormed();
}

function* chunks(ids: readonly string[]): Generator<string[]> {
  for (let start = 0; start < ids.length; start += CHUNK) yield ids.slice(start, start + CHUNK);
}
