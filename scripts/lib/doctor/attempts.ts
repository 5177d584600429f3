import { type Finding, findings } from './finding.ts';
import { type Sql, UNDONE } from './sql.ts';

export type GatewayRole = 'audit_writer' | 'audit_reader';

/** What a login must be refused. Each is harmless where it is not, and undone in any case. */
interface Attempt {
  readonly what: string;
  readonly sql: string;
  /** SQLSTATEs of a refusal for want of rights, beside 42501. */
  readonly also?: readonly string[];
}

const CHANGES: readonly Attempt[] = [
  'record',
  'log_head',
  'quarantined',
  'checkpoint',
  'cosignature',
  'archive',
  'archived_leaves',
  'hold',
  'personal',
  'erased_token',
  'retired_key',
].flatMap((table) => [
  { what: `delete from audit.${table}`, sql: `delete from audit.${table} where false` },
  { what: `truncate audit.${table}`, sql: `truncate audit.${table}` },
]);

const BOTH: readonly Attempt[] = [
  ...CHANGES,
  {
    what: 'insert into audit.record',
    sql: `insert into audit.record (log, index, at, canonical) values ('doctor~0~1', 0, now(), '{}')`,
  },
  {
    what: 'insert into audit.log_head',
    sql: `insert into audit.log_head (log, tenant, shard, epoch) values ('doctor~0~1', 'doctor', 0, 1)`,
  },
  { what: 'update audit.record', sql: `update audit.record set canonical = '{}' where false` },
  { what: 'update audit.log_head', sql: 'update audit.log_head set head = 0 where false' },
  { what: 'update audit.quarantined', sql: `update audit.quarantined set bytes = '' where false` },
  { what: 'read audit.migration', sql: 'select from audit.migration limit 1' },
  { what: 'disable a trigger', sql: 'alter table audit.record disable trigger append_only' },
  { what: 'turn off row security', sql: 'alter table audit.record disable row level security' },
  { what: 'create a table in audit', sql: 'create table audit.doctor_attempt ()' },
  { what: 'create a table in public', sql: 'create table public.doctor_attempt ()' },
  { what: 'create a schema', sql: 'create schema doctor_attempt' },
  { what: 'create a role', sql: 'create role doctor_attempt' },
  {
    what: 'become the owner',
    sql: `select set_config('role', pg_get_userbyid(nspowner), true) from pg_namespace where nspname = 'audit'`,
    also: ['22023'],
  },
  { what: 'read pg_authid', sql: 'select from pg_authid limit 1' },
  { what: 'read files of the server', sql: `select pg_read_file('PG_VERSION')` },
];

const ATTEMPTS: { readonly [role in GatewayRole]: readonly Attempt[] } = {
  audit_writer: [
    ...BOTH,
    { what: 'read audit.record', sql: 'select from audit.record limit 1' },
    { what: 'read audit.log_head', sql: 'select from audit.log_head limit 1' },
    { what: 'read audit.quarantined', sql: 'select from audit.quarantined limit 1' },
    { what: 'read audit.personal', sql: 'select from audit.personal limit 1' },
  ],
  audit_reader: [
    ...BOTH,
    { what: 'call append_batch', sql: `select audit.append_batch('doctor~0~1', 0, '[]')` },
    { what: 'call quarantine', sql: `select audit.quarantine('doctor~0~1', 0, '', '00000')` },
    { what: 'call ensure_partitions', sql: 'select audit.ensure_partitions(0)' },
  ],
};

/** What is not there, or not just now, says nothing of rights. */
const NO_ANSWER = /^(42P01|42883|3F000|08|53|57|58|XX)/;

/** Tries what the login must be refused, one attempt after the other, and reports what was not. */
export async function attempts(role: GatewayRole, sql: Sql): Promise<Finding[]> {
  const { ok, failed, unknown } = findings('database');
  const allowed: string[] = [];
  const open: string[] = [];
  for (const { what, sql: text, also = [] } of ATTEMPTS[role]) {
    const came = await sql.attempt("set local lock_timeout = '2s'", text);
    const code = came.kind === 'sqlstate' ? came.code : '';
    if (code === '42501' || also.includes(code)) continue;
    // Any other complaint of the statement's means that the right was there: it is looked at first.
    if (code === UNDONE || (code !== '' && !NO_ANSWER.test(code))) allowed.push(what);
    else open.push(what);
  }
  const found = allowed.map((what) =>
    failed(
      `${role} may ${what}, which it must not`,
      'Revoke that right from it and from PUBLIC: sql/README.md lists what each role may.',
    ),
  );
  if (open.length > 0) {
    found.push(
      unknown(
        `${role}: whether it is refused to ${open.join(', ')}`,
        'Run `npm run db:migrate`, then this again.',
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok(`${role} is refused each of ${ATTEMPTS[role].length} things that it must not do`)];
}
