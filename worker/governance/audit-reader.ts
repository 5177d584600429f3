import { auditLogObject, parseLogName } from '../../core/names.ts';
import type { Place } from '../../core/record.ts';
import type { AuditLogRpc } from '../../core/rpc.ts';
import { within } from '../waits.ts';
import { AuditUnreadable, type Row, tenantReader } from './audit-database.ts';
import { type AuditQuery, pageStatement } from './audit-query.ts';

export interface AuditRow extends Place {
  readonly time: number;
  readonly leaf: string;
  readonly canonical: string;
}

/** How far a log can be read, and how many of its records only as bytes. */
export interface LogExtent {
  readonly log: string;
  /** The number of indexes that the database holds. */
  readonly head: number;
  readonly quarantined: number;
}

export interface AuditPageRows {
  /** Newest first; at most one more than the query's limit. */
  readonly rows: readonly AuditRow[];
  /** Every log of the tenant, as of the same moment as the rows. */
  readonly logs: readonly LogExtent[];
}

export interface FoundRecord extends Place {
  readonly leaf: string;
  readonly canonical: string;
  readonly stored: 'postgres' | 'log';
}

/** A record that has left the database. */
export interface ArchivedRecord extends Place {
  readonly archive: { readonly name: string; readonly sha256: string };
}

/** Reads the audit log within one tenant. Row security of the database holds the tenant, not the statement. */
export interface AuditReader {
  /** @throws AuditUnreadable */
  page(tenant: string, query: AuditQuery, tokens: readonly string[]): Promise<AuditPageRows>;
  /** A record of the tenant, or where it went; `undefined` when there is none. @throws AuditUnreadable */
  record(tenant: string, place: Place): Promise<FoundRecord | ArchivedRecord | undefined>;
}

export interface AuditReaderOptions {
  readonly url: string;
  readonly endpoint: string | undefined;
  /** Logs are looked for in objects of shards below this, and in no other: asking would make one. */
  readonly shards: number;
  readonly object: (name: string) => AuditLogRpc;
}

const LOG_TIMEOUT_MS = 5000;

export function createAuditReader({ url, endpoint, shards, object }: AuditReaderOptions): AuditReader {
  const read = tenantReader(url, endpoint);
  return {
    async page(tenant, query, tokens) {
      const [logs = [], rows = []] = await read(tenant, [LOGS, pageStatement(query, tokens)]);
      return {
        logs: logs.map(({ log, head, quarantined }) => ({
          log: String(log),
          head: Number(head),
          quarantined: Number(quarantined),
        })),
        rows: rows.map((row) => ({ ...rowOf(row), time: Number(row.time_ms) })),
      };
    },

    async record(tenant, { log, index }) {
      const name = parseLogName(log);
      if (name?.tenant !== tenant) return undefined;
      const place = [log, index];
      const [rows = [], archives = []] = await read(tenant, [
        { text: RECORD, values: place },
        { text: ARCHIVE, values: place },
      ]);
      if (rows[0]) return { ...rowOf(rows[0]), stored: 'postgres' };
      const [archive] = archives;
      if (archive)
        return { log, index, archive: { name: String(archive.name), sha256: String(archive.sha256) } };
      if (name.shard >= shards) return undefined;
      const asked = object(auditLogObject(name.tenant, name.shard)).record({ log, index });
      const held = await within(LOG_TIMEOUT_MS, asked).catch(() => undefined);
      if (held === undefined) throw new AuditUnreadable();
      return held === null ? undefined : { log, index, leaf: held.leaf, canonical: held.text, stored: 'log' };
    },
  };
}

const LOGS = {
  text: `select h.log, h.head::text,
    (select count(*) from audit.quarantined q where q.log = h.log)::text as quarantined
    from audit.log_head h order by h.log`,
  values: [],
};

/** Text that was kept as bytes comes back as it is, because that is what was hashed. */
const RECORD = `select log, index::text, canonical, encode(leaf, 'hex') as leaf from audit.record
    where log = $1::text and index = $2::bigint
  union all
  select log, index::text, convert_from(bytes, 'UTF8'), encode(leaf, 'hex') from audit.quarantined
    where log = $1::text and index = $2::bigint`;

const ARCHIVE = `select name, encode(sha256, 'hex') as sha256 from audit.archive
  where log = $1::text and first <= $2::bigint and past > $2::bigint`;

function rowOf(row: Row): { log: string; index: number; leaf: string; canonical: string } {
  return {
    log: String(row.log),
    index: Number(row.index),
    leaf: String(row.leaf),
    canonical: String(row.canonical),
  };
}
