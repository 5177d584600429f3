import { AuditUnreadable, auditWriter, tenantReader } from './audit-database.ts';

/** What the audit database knows of personal values, which it holds as tokens and pseudonyms only. */
export interface Subjects {
  /** How many records of the tenant name it; `undefined`: that could not be counted in time. */
  records(tenant: string, name: string): Promise<number | undefined>;
  /** Whether a pseudonym key may be used no more for the tenant. @throws AuditUnreadable */
  retired(tenant: string, keyId: string): Promise<boolean>;
  /** Ends the use of a key for the tenant. Can be repeated. @throws AuditUnreadable */
  retire(tenant: string, keyId: string, requestId: string): Promise<void>;
}

export interface SubjectsOptions {
  readonly readerUrl: string;
  readonly writerUrl: string;
  readonly endpoint: string | undefined;
}

/** A token or pseudonym is in no other text by chance. */
const NAMING = `select count(*)::text as records from audit.record where strpos(canonical, '"' || $1::text || '"') > 0`;

const RETIRED = 'select key_id from audit.retired_key where key_id = $1::text';

export function createSubjects({ readerUrl, writerUrl, endpoint }: SubjectsOptions): Subjects {
  const read = tenantReader(readerUrl, endpoint);
  const write = auditWriter(writerUrl, endpoint);
  return {
    async records(tenant, name) {
      try {
        const [rows = []] = await read(tenant, [{ text: NAMING, values: [name] }]);
        return Number(rows[0]?.records);
      } catch (error) {
        if (error instanceof AuditUnreadable) return undefined;
        throw error;
      }
    },
    async retired(tenant, keyId) {
      const [rows = []] = await read(tenant, [{ text: RETIRED, values: [keyId] }]);
      return rows.length > 0;
    },
    retire: (tenant, keyId, requestId) =>
      write((sql) => sql`select audit.retire_key(${tenant}, ${keyId}, ${requestId})`),
  };
}
