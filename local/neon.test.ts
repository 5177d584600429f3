import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NeonQueryFunction, neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Neon, startNeon } from './neon.ts';
import { type Postgres, startPostgres } from './postgres.ts';

let dir: string;
let postgres: Postgres;
let endpoint: Neon;
let url: string;
let sql: NeonQueryFunction<false, true>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'local-neon-'));
  postgres = await startPostgres({ dir, durable: false });
  await postgres.createDatabase('app');
  endpoint = await startNeon({ databasePort: postgres.port });
  neonConfig.fetchEndpoint = endpoint.url;
  // Host and port are the endpoint's to know; the driver only wants some.
  url = postgres.url('audit_owner', 'app').replace(/@.*\//, '@db.example:1/');
  sql = neon(url, { fullResults: true });
  await sql`create table t (id int primary key, a text, constraint short check (length(a) < 5))`;
});
afterAll(async () => {
  await endpoint.stop();
  await postgres.stop();
  await rm(dir, { recursive: true });
});

describe('the driver', () => {
  it('gets typed values, fields and the command', async () => {
    const { rows, fields, command, rowCount } = await sql`
      select ${7}::int as n, ${null}::text as nothing, ${Buffer.from([0, 255])}::bytea as bytes, ${'ü\n"'} as text,
        ${true}::boolean as yes, ${{ a: [1] }}::jsonb as json, ${[1, 2]}::int[] as list, 12345678901234567890 as big`;
    expect(rows).toEqual([
      {
        n: 7,
        nothing: null,
        bytes: Buffer.from([0, 255]),
        text: 'ü\n"',
        yes: true,
        json: { a: [1] },
        list: [1, 2],
        big: '12345678901234567890',
      },
    ]);
    expect([command, rowCount]).toEqual(['SELECT', 1]);
    expect(fields[0]).toMatchObject({ name: 'n', dataTypeID: 23, dataTypeSize: 4, format: 'text' });
  });

  it('gets rows as lists, also with two columns of one name', async () => {
    const { rows } = await sql.query('select 1 as a, 2 as a', [], { arrayMode: true });
    expect(rows).toEqual([[1, 2]]);
  });

  it('gets counts of changed rows', async () => {
    const inserted = await sql`insert into t values (1, 'a'), (2, 'b')`;
    expect([inserted.command, inserted.rowCount, inserted.rows]).toEqual(['INSERT', 2, []]);
    const { command, rowCount } = await sql`create temp table x (a int)`;
    expect([command, rowCount]).toEqual(['CREATE', null]);
  });

  it('gets the fields of an error', async () => {
    await expect(sql`insert into t values (10, 'too long')`).rejects.toMatchObject({
      name: 'NeonDbError',
      code: '23514',
      constraint: 'short',
      table: 't',
      schema: 'public',
      severity: 'ERROR',
      detail: expect.stringContaining('Failing row'),
      routine: 'ExecConstraints',
    });
    await expect(sql`select * frm t`).rejects.toMatchObject({ code: '42601', position: '10' });
  });

  it('may send one statement at a time only', async () => {
    await expect(sql.query('select 1; select 2')).rejects.toMatchObject({ code: '42601' });
    await expect(sql.query("insert into t values (20, 'x'); select 1")).rejects.toMatchObject({
      code: '42601',
    });
    expect((await sql`select from t where id = 20`).rowCount).toBe(0);
  });

  it('is told that a login is wrong', async () => {
    const wrong = neon(url.replace(/:[^:@]+@/, ':wrong@'));
    await expect(wrong`select 1`).rejects.toMatchObject({ code: '28P01' });
    const nowhere = neon(url.replace(/\/app$/, '/nowhere'));
    await expect(nowhere`select 1`).rejects.toMatchObject({ code: '3D000' });
  });

  it('is the user of its connection string', async () => {
    const admin = neon(postgres.adminUrl);
    expect(await admin`select current_user as me, current_database() as db`).toEqual([
      { me: 'postgres', db: 'postgres' },
    ]);
    expect((await sql`select current_user as me, current_database() as db`).rows).toEqual([
      { me: 'audit_owner', db: 'app' },
    ]);
  });
});

describe('a batch', () => {
  it('is one transaction', async () => {
    const [one, two] = await sql.transaction([
      sql`select txid_current() as id`,
      sql`select txid_current() as id`,
    ]);
    expect(one!.rows).toEqual(two!.rows);
  });

  it('is rolled back on any error', async () => {
    const failing = sql.transaction([
      sql`insert into t values (30, 'x')`,
      sql`insert into t values (30, 'y')`,
    ]);
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect((await sql`select from t where id = 30`).rowCount).toBe(0);
  });

  it('reports what fails only when it is committed', async () => {
    await sql`create table parent (id int primary key)`;
    await sql`create table child (id int references parent deferrable initially deferred)`;
    await expect(sql.transaction([sql`insert into child values (1)`])).rejects.toMatchObject({
      code: '23503',
    });
  });

  it.each([
    [{ isolationLevel: 'ReadUncommitted' }, ['read uncommitted', 'off', 'off']],
    [{ isolationLevel: 'ReadCommitted', readOnly: true }, ['read committed', 'on', 'off']],
    [{ isolationLevel: 'RepeatableRead', readOnly: false }, ['repeatable read', 'off', 'off']],
    [{ isolationLevel: 'Serializable', readOnly: true, deferrable: true }, ['serializable', 'on', 'on']],
    [{}, ['read committed', 'off', 'off']],
  ] as const)('has the properties it asks for: %j', async (options, expected) => {
    const names = ['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'];
    const results = await sql.transaction(
      names.map((name) => sql`select current_setting(${name}) as v`),
      options,
    );
    expect(results.map(({ rows }) => rows[0]!.v)).toEqual(expected);
  });

  it('keeps settings of its own to itself', async () => {
    const [, inside] = await sql.transaction([
      sql`select set_config('audit.tenant', 'acme', true)`,
      sql`select current_setting('audit.tenant', true) as tenant`,
    ]);
    expect(inside!.rows).toEqual([{ tenant: 'acme' }]);
  });

  it('may be empty', async () => {
    expect(await sql.transaction([])).toEqual([]);
  });
});

describe('the next user of a connection', () => {
  it.each([
    [
      'a setting',
      `set audit.tenant = 'acme'`,
      `select coalesce(current_setting('audit.tenant', true), '') as v`,
      '',
    ],
    ['a role', 'set role pg_monitor', 'select current_user as v', 'postgres'],
    ['a session role', 'set session authorization audit_owner', 'select session_user as v', 'postgres'],
    ['a temporary table', 'create temp table left_over ()', `select to_regclass('left_over') as v`, null],
    [
      'a lock',
      'select pg_advisory_lock(1)',
      `select count(*) as v from pg_locks where locktype = 'advisory'`,
      '0',
    ],
    [
      'a prepared statement',
      'prepare p as select 1',
      'select count(*) as v from pg_prepared_statements',
      '0',
    ],
    [
      'an open transaction',
      'begin',
      `select count(*) as v from pg_stat_activity where state like 'idle in transaction%'`,
      '0',
    ],
    [
      'a failed transaction',
      'begin isolation level serializable',
      `select current_setting('transaction_isolation') as v`,
      'read committed',
    ],
  ])('finds nothing of %s', async (_what, leave, look, expected) => {
    const admin = neon(postgres.adminUrl);
    await admin.query(leave);
    await expect(admin.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
    // The connection is reset after the answer.
    await expect.poll(() => admin.query(look)).toEqual([{ v: expected }]);
    for (let i = 0; i < 4; i++) expect(await admin.query(look)).toEqual([{ v: expected }]);
  });
});
