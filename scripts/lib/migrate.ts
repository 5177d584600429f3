import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { CommandError } from './command.ts';
import { withClient } from './database.ts';

const MIGRATIONS = fileURLToPath(new URL('../../sql/migrations', import.meta.url));
const SCHEMA = 'audit';
const TABLE = 'migration';

/** The two roles that the gateway logs in as. The migrations create them, without a password. */
const GATEWAY_ROLES = ['audit_writer', 'audit_reader'];

export interface MigrateOptions {
  /** Where a migration failed, a line at a time; never holds a connection string. */
  readonly log?: (line: string) => void;
  /** Change nothing; the result is what would be applied. */
  readonly dryRun?: boolean;
}

/**
 * Brings the audit schema up to date, in one transaction, as the role that `ownerUrl` names; that role owns what
 * is made. Returns the names of the migrations applied (with `dryRun`: of those that would be).
 *
 * @throws CommandError when the database cannot be reached, a migration fails (all are rolled back then), or one
 *   of the gateway's roles has more rights than it may have.
 */
export async function migrate(ownerUrl: string, options: MigrateOptions = {}): Promise<string[]> {
  const log = options.log ?? (() => {});
  return withClient(ownerUrl, 'db-migrate', async (client) => {
    if (options.dryRun) return pending(client);
    const notes: string[] = [];
    const note = (message: string) => notes.push(message);
    const silent = () => {};
    try {
      const applied = await runner({
        dbClient: client,
        dir: MIGRATIONS,
        direction: 'up',
        migrationsSchema: SCHEMA,
        migrationsTable: TABLE,
        createMigrationsSchema: true,
        singleTransaction: true,
        advisoryLockMode: 'wait',
        logger: { debug: silent, info: silent, warn: silent, error: note },
      });
      await checkRoles(client);
      return applied.map(({ name }) => name);
    } catch (error) {
      if (error instanceof CommandError) throw error;
      for (const line of notes) log(line);
      // The library puts the stack of what happened into some of its messages.
      const [what] = (error as Error).message.split('\n');
      throw new CommandError(`The migrations failed and were rolled back: ${what}`);
    }
  });
}

/**
 * Lets `audit_writer` and `audit_reader` log in with these passwords.
 *
 * @throws CommandError when the role of `ownerUrl` may not alter them.
 */
export async function setRolePasswords(
  ownerUrl: string,
  passwords: { readonly writer: string; readonly reader: string },
): Promise<void> {
  await withClient(ownerUrl, 'db-migrate', async (client) => {
    for (const which of ['writer', 'reader'] as const) {
      try {
        await client.query(
          `alter role audit_${which} login password ${client.escapeLiteral(passwords[which])}`,
        );
      } catch (error) {
        throw new CommandError(
          `The password of audit_${which} could not be set: ${(error as Error).message}`,
        );
      }
    }
  });
}

async function pending(client: pg.Client): Promise<string[]> {
  const { rows: tables } = await client.query(
    `select to_regclass('${SCHEMA}.${TABLE}') is not null as there`,
  );
  const { rows } = tables[0].there
    ? await client.query<{ name: string }>(`select name from ${SCHEMA}.${TABLE}`)
    : { rows: [] };
  const done = new Set(rows.map(({ name }) => name));
  return migrationNames().filter((name) => !done.has(name));
}

/** The names of all migrations, in their order. */
export function migrationNames(): string[] {
  return readdirSync(MIGRATIONS)
    .map((file) => file.replace(/\.sql$/, ''))
    .sort();
}

/** Roles can be made before the migrations run, and be given rights after; either would undo what they promise. */
async function checkRoles(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; has: string }>(
    `select r.rolname as name, a.has
     from pg_roles r
     cross join lateral (
       values ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
         ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)
       union all
       select 'membership in ' || g.rolname, true
       from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid
     ) as a (has, it)
     where a.it and r.rolname = any ($1)`,
    [GATEWAY_ROLES],
  );
  const excess = rows.map(({ name, has }) => `${name} has ${has}`);
  if (excess.length > 0) {
    throw new CommandError(`Take these rights away, then migrate again: ${excess.join(', ')}.`);
  }
}
