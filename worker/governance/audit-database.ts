import { neonSql } from '../../durable-objects/neon-sql.ts';

/** The database, or a log, could not be asked. Holds nothing of what it said. */
export class AuditUnreadable extends Error {
  constructor() {
    super('the audit log cannot be read');
    this.name = 'AuditUnreadable';
  }
}

/** A row as the endpoint gives it: text, or null. */
export type Row = { readonly [column: string]: string | null };

export interface Statement {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/**
 * Runs statements as a tenant's reader, all of them on one snapshot. Row security of the database holds the tenant,
 * not the statements. @throws AuditUnreadable
 */
export type TenantReader = (
  tenant: string,
  statements: readonly Statement[],
) => Promise<readonly (readonly Row[])[]>;

/** The database gives up before we do, so that nothing runs on for nobody. */
const STATEMENT_TIMEOUT_MS = 12_000;

export function tenantReader(url: string, endpoint: string | undefined): TenantReader {
  return async (tenant, statements) => {
    try {
      const sql = await neonSql(url, endpoint);
      const [, ...results] = await sql.transaction(
        [
          sql`select set_config('audit.tenant', ${tenant}, true), set_config('statement_timeout', ${String(STATEMENT_TIMEOUT_MS)}, true)`,
          ...statements.map(({ text, values }) => sql.query(text, [...values])),
        ],
        { isolationLevel: 'RepeatableRead', readOnly: true },
      );
      return results as unknown as readonly (readonly Row[])[];
    } catch {
      throw new AuditUnreadable();
    }
  };
}

type Sql = Awaited<ReturnType<typeof neonSql>>;

/** Runs a call of one of the writer's functions, which takes what it writes for whatever tenant it is told. @throws AuditUnreadable */
export type AuditWriter = (call: (sql: Sql) => PromiseLike<unknown>) => Promise<void>;

export function auditWriter(url: string, endpoint: string | undefined): AuditWriter {
  return async (call) => {
    try {
      await call(await neonSql(url, endpoint));
    } catch {
      throw new AuditUnreadable();
    }
  };
}
