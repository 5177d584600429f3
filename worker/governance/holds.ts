import { auditWriter, tenantReader } from './audit-database.ts';
import type { HoldAnswer } from './proof-schemas.ts';

/** Which tenants' records are held: what retention asks before it takes anything out. */
export interface Holds {
  /** What was said last. @throws AuditUnreadable */
  last(tenant: string): Promise<HoldAnswer>;
  /** The same request says it once. @throws AuditUnreadable */
  set(tenant: string, held: boolean, reason: string, requestId: string): Promise<void>;
}

export interface HoldsOptions {
  readonly readerUrl: string;
  readonly writerUrl: string;
  readonly endpoint: string | undefined;
}

const LAST = `select held::text, reason, (extract(epoch from at) * 1000)::bigint::text as at
  from audit.hold order by number desc limit 1`;

export function createHolds({ readerUrl, writerUrl, endpoint }: HoldsOptions): Holds {
  const read = tenantReader(readerUrl, endpoint);
  const write = auditWriter(writerUrl, endpoint);
  return {
    async last(tenant) {
      const [rows = []] = await read(tenant, [{ text: LAST, values: [] }]);
      const [row] = rows;
      if (row === undefined) return { held: false, reason: null, since: null };
      return {
        held: row.held === 'true',
        reason: String(row.reason),
        since: new Date(Number(row.at)).toISOString(),
      };
    },
    set: (tenant, held, reason, requestId) =>
      write((sql) => sql`select audit.set_hold(${tenant}, ${held}, ${reason}, ${requestId})`),
  };
}
