import { type Given, settingOf } from '../deploy/environment.ts';
import { migrationNames } from '../migrate.ts';
import { attempts, type GatewayRole } from './attempts.ts';
import { type Finding, findings } from './finding.ts';
import { rights } from './rights.ts';
import { type Asked, Sql } from './sql.ts';

const { ok, failed, unknown } = findings('database');

const LOGINS = [
  ['audit_writer', 'AUDIT_WRITER_URL'],
  ['audit_reader', 'AUDIT_READER_URL'],
] as const;

const MAX_SKEW_MS = 5000;

/** Whether both logins work as the Worker would use them, may do what they must, and nothing that they must not. */
export async function databaseChecks(given: Given): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [role, setting] of LOGINS) {
    const url = settingOf(given, setting);
    if (url === undefined) {
      found.push(unknown(`${role} not tried: ${setting} is not known here`, 'Mend the settings first.'));
      continue;
    }
    const sql = new Sql(url, settingOf(given, 'AUDIT_SQL_ENDPOINT'));
    const connected = await connects(role, setting, sql);
    found.push(...connected);
    if (connected.some(({ state }) => state !== 'ok')) continue;
    found.push(await migrated(role, sql), ...(await rights(role, sql)), ...(await attempts(role, sql)));
    if (role === 'audit_reader') found.push(...(await isolation(sql)), await months(sql));
  }
  return found;
}

async function connects(role: GatewayRole, setting: string, sql: Sql): Promise<Finding[]> {
  // The first call may wake a database that sleeps; the second one measures.
  const first = await sql.ask('select 1');
  const clock = await sql.ask<{ ms: string }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as ms`,
  );
  const here = Date.now();
  const bad = first.kind === 'rows' ? clock : first;
  if (first.kind !== 'rows' || clock.kind !== 'rows') return [refusedLogin(role, setting, bad)];
  const connected = ok(`${role} connects`);
  if (role === 'audit_reader') return [connected];
  const skew = here - clock.tookMs / 2 - Number(clock.rows[0]?.ms);
  const off = Math.max(0, Math.abs(skew) - clock.tookMs / 2);
  return off <= MAX_SKEW_MS
    ? [connected, ok(`the clocks here and there agree within ${Math.ceil(off / 1000)} s`)]
    : [
        connected,
        failed(
          `the clock here and the database's are ${Math.round(off / 1000)} s apart`,
          'Set this machine by a time server; if it is right, tell whoever runs the database.',
        ),
      ];
}

function refusedLogin(role: GatewayRole, setting: string, came: Asked<unknown>): Finding {
  if (came.kind !== 'sqlstate') {
    return failed(
      `${role} cannot connect: nothing answered as a database does`,
      `See that ${setting} has the right host, and AUDIT_SQL_ENDPOINT the right address or none.`,
    );
  }
  const said: { readonly [code: string]: string } = {
    '28P01': 'the password is wrong, or the role may not log in',
    '28000': 'the role may not log in',
    '3D000': 'there is no such database',
  };
  return failed(
    `${role} cannot connect: ${said[came.code] ?? `SQLSTATE ${came.code}`}`,
    `Set its password as the owner (sql/README.md), then ${setting} with \`npm run secrets\`.`,
  );
}

async function migrated(role: GatewayRole, sql: Sql): Promise<Finding> {
  const remedy = "Run `npm run db:migrate` with the owner's connection string.";
  const applied = await sql.ask<{ name: string }>('select name from audit.migrations() as name');
  if (applied.kind === 'sqlstate') {
    return failed(`${role}: the schema is not there, or older than 0006_migrations`, remedy);
  }
  if (applied.kind === 'failed') return unknown(`${role}: the migrations could not be read`, remedy);
  const names = applied.rows.map(({ name }) => name);
  const missing = migrationNames().filter((name) => !names.includes(name));
  return missing.length === 0
    ? ok(`${role}: the schema is at ${names.at(-1)}`)
    : failed(`the schema lacks ${missing.join(', ')}`, remedy);
}

/** The tables that a tenant's rows are in. */
const TABLES = [
  'record',
  'log_head',
  'quarantined',
  'checkpoint',
  'cosignature',
  'archive',
  'hold',
  'personal',
];

/** Row security, as it is declared and as it works. An empty table shows nothing by itself. */
async function isolation(sql: Sql): Promise<Finding[]> {
  const found: Finding[] = [];
  const bare = await sql.ask<{ name: string }>(
    `select c.relname as name from pg_class c
     where c.relnamespace = 'audit'::regnamespace and not c.relrowsecurity
       and (c.relname = any ($1) or c.oid in (select inhrelid from pg_inherits where inhparent = 'audit.record'::regclass))
     order by 1`,
    [TABLES],
  );
  const policies = await sql.ask<{ name: string }>(
    `select t.name from unnest($1::text[]) t (name)
     where (select count(*) from pg_policies p where p.schemaname = 'audit' and p.tablename = t.name) <> 1
       or not exists (select from pg_policies p where p.schemaname = 'audit' and p.tablename = t.name
         and p.roles = '{audit_reader}' and p.cmd = 'SELECT'
         and p.qual ~ '^\\(tenant = current_setting\\(''audit\\.tenant''::text, true\\)\\)$')`,
    [TABLES],
  );
  const seen = await sql.ask<{ some: boolean }>(
    `select exists (select from audit.record) or exists (select from audit.log_head)
       or exists (select from audit.quarantined) or exists (select from audit.checkpoint)
       or exists (select from audit.cosignature) or exists (select from audit.archive)
       or exists (select from audit.hold) or exists (select from audit.personal) as some`,
  );
  if (bare.kind !== 'rows' || policies.kind !== 'rows' || seen.kind !== 'rows') {
    return [unknown('row security could not be looked at', 'Run `npm run db:migrate`, then this again.')];
  }
  for (const { name } of bare.rows) {
    found.push(
      failed(`row security is off on audit.${name}`, `alter table audit.${name} enable row level security`),
    );
  }
  for (const { name } of policies.rows) {
    found.push(
      failed(
        `the policies of audit.${name} are other than the migrations made them`,
        'Drop the others, and make tenant_of_session as sql/migrations/0002_tables.sql does.',
      ),
    );
  }
  if (seen.rows[0]?.some !== false) {
    found.push(
      failed('audit_reader sees rows although it named no tenant', 'Mend row security before anything else.'),
    );
  }
  return found.length > 0 ? found : [ok('audit_reader sees no row without a tenant, and row security is on')];
}

async function months(sql: Sql): Promise<Finding> {
  const remedy = 'Run `select audit.ensure_partitions()` as audit_writer; the Worker does so daily.';
  const lacking = await sql.ask<{ month: string }>(
    `select to_char(m.month, 'YYYY-MM') as month
     from (values (date_trunc('month', now() at time zone 'UTC')),
       (date_trunc('month', now() at time zone 'UTC') + interval '1 month')) m (month)
     where not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit.record'::regclass and c.relname = 'record_' || to_char(m.month, 'YYYY_MM'))
     order by 1`,
  );
  if (lacking.kind !== 'rows') return unknown('the partitions could not be looked at', remedy);
  return lacking.rows.length === 0
    ? ok('there are partitions for this month and the next')
    : failed(`no partition for ${lacking.rows.map(({ month }) => month).join(', ')}`, remedy);
}
