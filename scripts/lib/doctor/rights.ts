import type { GatewayRole } from './attempts.ts';
import { type Finding, findings } from './finding.ts';
import type { Sql } from './sql.ts';

const { ok, failed, unknown } = findings('database');

/** What each role holds in schema audit, and all that it holds; sql/README.md says the same in words. */
const RIGHTS: { readonly [role in GatewayRole]: readonly string[] } = {
  audit_writer: [
    'execute append_batch',
    'execute close_log',
    'execute copy_personal',
    'execute ensure_partitions',
    'execute follow',
    'execute last_checkpoint',
    'execute leaf_at',
    'execute log_state',
    'execute migrations',
    'execute quarantine',
    'execute retire_key',
    'execute set_hold',
    'execute store_checkpoint',
    'execute store_cosignature',
    'execute stored_records',
    'execute tenants_to_rekey',
  ],
  audit_reader: [
    'execute leaf_hash',
    'execute migrations',
    'select archive',
    'select checkpoint',
    'select cosignature',
    'select hold',
    'select log_head',
    'select personal',
    'select quarantined',
    'select record',
    'select retired_key',
  ],
};

/**
 * Rights as the database would grant them, by whatever way they came. An attempt cannot show them all: a trigger
 * or row security refuses in the same words what a right already allows.
 */
const HELD = `
  select lower(p.name) || ' ' || c.relname as has
  from pg_class c,
    unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p (name)
  where c.relnamespace = 'audit'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and has_table_privilege(c.oid, p.name)
  union
  select distinct lower(p.name) || ' a column of ' || c.relname
  from pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p (name)
  where c.relnamespace = 'audit'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and has_any_column_privilege(c.oid, p.name) and not has_table_privilege(c.oid, p.name)
  union
  select 'execute ' || p.proname from pg_proc p
  where p.pronamespace = 'audit'::regnamespace and has_function_privilege(p.oid, 'EXECUTE')
  union
  select lower(p.name) || ' in schema audit' from unnest(array['CREATE']) p (name)
  where has_schema_privilege('audit', p.name)
  union
  select 'own ' || n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where pg_get_userbyid(c.relowner) = current_user and c.relpersistence <> 't'`;

const ROLE = `
  select current_user as name, array_remove(array[
      case when rolsuper then 'SUPERUSER' end, case when rolbypassrls then 'BYPASSRLS' end,
      case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
      case when rolreplication then 'REPLICATION' end
    ], null) || array(
      select 'membership in ' || pg_get_userbyid(m.roleid) from pg_auth_members m where m.member = r.oid
      order by 1
    ) as excess
  from pg_roles r where rolname = current_user`;

/** Whether a login is the role that it should be, with that role's rights and no other. */
export async function rights(role: GatewayRole, sql: Sql): Promise<Finding[]> {
  const again = "Run this again; if it stays so, look at the database's own log.";
  const is = await sql.ask<{ name: string; excess: string[] }>(ROLE);
  const held = await sql.ask<{ has: string }>(HELD);
  if (is.kind !== 'rows' || held.kind !== 'rows' || !is.rows[0]) {
    return [unknown(`${role}: its rights could not be read`, again)];
  }
  const [{ name, excess }] = is.rows as [{ name: string; excess: string[] }];
  if (name !== role) {
    const setting = role === 'audit_writer' ? 'AUDIT_WRITER_URL' : 'AUDIT_READER_URL';
    return [failed(`${setting} logs in as another role than ${role}`, `Put ${role} and its password there.`)];
  }
  const has = held.rows.map((row) => row.has);
  const much = has.filter((one) => !RIGHTS[role].includes(one)).sort();
  const little = RIGHTS[role].filter((one) => !has.includes(one));
  const found = [
    ...excess.map((one) =>
      failed(`${role} has ${one}`, "Take it away as the owner or the database's administrator."),
    ),
    ...much.map((one) =>
      failed(`${role} has the right to ${one}`, 'Revoke it from the role and from PUBLIC.'),
    ),
    ...little.map((one) =>
      failed(
        `${role} lacks the right to ${one}`,
        'Run `npm run db:migrate`; if nothing is left to apply, grant it.',
      ),
    ),
  ];
  return found.length > 0 ? found : [ok(`${role} has the rights of its role and no other`)];
}
