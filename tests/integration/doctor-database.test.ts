import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Neon, startNeon } from '../../local/neon.ts';
import { databaseChecks } from '../../scripts/lib/doctor/database.ts';
import { append, type Cluster, type Database, records, startCluster } from '../../sql/harness.ts';
import { given, texts } from './doctor-rig.ts';

let cluster: Cluster;
let neon: Neon;
let database: Database;
let admin: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
  neon = await startNeon({ databasePort: cluster.postgres.port });
});
beforeEach(async () => {
  database = await cluster.fresh();
  admin = await database.as('postgres');
  await append(await database.as('audit_writer'), 'acme~0~1', 0, records('acme~0~1', 0, 2));
});
afterAll(async () => {
  await neon.stop();
  await cluster.stop();
});

const settings = () => ({
  AUDIT_WRITER_URL: database.url('audit_writer'),
  AUDIT_READER_URL: database.url('audit_reader'),
  AUDIT_SQL_ENDPOINT: neon.url,
});
const check = (over: { [name: string]: string } = {}) => databaseChecks(given({ ...settings(), ...over }));

/** Everything in the database that an attempt could have left behind or taken away. */
const contents = async () =>
  (
    await admin.query(
      `select (select count(*) from audit.record)::int as records, (select count(*) from pg_namespace)::int as schemas,
        (select count(*) from pg_roles)::int as roles, (select sum(head) from audit.log_head)::int as heads,
        (select count(*) from pg_class where relname ~ 'doctor')::int as tables,
        (select count(*) from pg_trigger where tgenabled <> 'A' and tgrelid = 'audit.record'::regclass)::int as off`,
    )
  ).rows[0];

describe('a database as the migrations leave it', () => {
  it('passes every check, and is as it was before', async () => {
    const before = await contents();
    const found = await check();
    expect(found.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(texts(found, 'ok')).toEqual([
      'audit_writer connects',
      'the clocks here and there agree within 0 s',
      'audit_writer: the schema is at 0017_close',
      'audit_writer has the rights of its role and no other',
      expect.stringMatching(/^audit_writer is refused each of \d\d things/),
      'audit_reader connects',
      'audit_reader: the schema is at 0017_close',
      'audit_reader has the rights of its role and no other',
      expect.stringMatching(/^audit_reader is refused each of \d\d things/),
      'audit_reader sees no row without a tenant, and row security is on',
      'there are partitions for this month and the next',
    ]);
    expect(await contents()).toEqual(before);
  });
});

describe('a database that somebody broke', () => {
  it.each([
    [
      'grant select on audit.record to audit_writer',
      [
        'audit_writer has the right to select record',
        'audit_writer may read audit.record, which it must not',
      ],
    ],
    // Row security refuses the row itself, in the same words as a missing right.
    [
      'grant insert on audit.record to audit_writer',
      [
        'audit_writer has the right to insert record',
        'audit_writer may insert into audit.record, which it must not',
      ],
    ],
    // The trigger refuses the same way.
    ['grant delete on audit.record to audit_writer', ['audit_writer has the right to delete record']],
    ['grant truncate on audit.log_head to audit_reader', ['audit_reader has the right to truncate log_head']],
    [
      'grant update (canonical) on audit.record to audit_writer',
      ['audit_writer has the right to update a column of record'],
    ],
    [
      'grant execute on function audit.append_batch to public',
      [
        'audit_reader has the right to execute append_batch',
        'audit_reader may call append_batch, which it must not',
      ],
    ],
    [
      'grant create on schema audit to audit_writer',
      [
        'audit_writer has the right to create in schema audit',
        'audit_writer may create a table in audit, which it must not',
      ],
    ],
    [
      'revoke execute on function audit.leaf_at from audit_writer',
      ['audit_writer lacks the right to execute leaf_at'],
    ],
    [
      'alter table audit.record disable row level security',
      ['row security is off on audit.record', 'audit_reader sees rows although it named no tenant'],
    ],
    [
      'create policy everybody on audit.record for select to audit_reader using (true)',
      [
        'the policies of audit.record are other than the migrations made them',
        'audit_reader sees rows although it named no tenant',
      ],
    ],
    [`delete from audit.migration where name = '0013_follow'`, ['the schema lacks 0013_follow']],
  ])('is found out: %s', async (breaking, failures) => {
    await admin.query(breaking);
    const found = await check();
    expect(new Set(texts(found, 'failed'))).toEqual(new Set(failures));
    for (const { state, remedy } of found) expect(remedy === undefined).toBe(state === 'ok');
  });

  it('is found out: row security off where there is no row to see', async () => {
    database = await cluster.fresh();
    await (await database.as('postgres')).query('alter table audit.quarantined disable row level security');
    expect(texts(await check(), 'failed')).toEqual(['row security is off on audit.quarantined']);
  });

  it('is found out: a month without a partition', async () => {
    const next = await admin.query(
      `select to_char(date_trunc('month', now() at time zone 'UTC') + interval '1 month', 'YYYY_MM') as month`,
    );
    const month = next.rows[0].month as string;
    await admin.query(`alter table audit.record detach partition audit.record_${month}`);
    expect(texts(await check(), 'failed')).toContain(`no partition for ${month.replace('_', '-')}`);
  });

  it.each([
    [
      'SUPERUSER',
      'become the owner',
      'alter role audit_writer superuser',
      'alter role audit_writer nosuperuser',
    ],
    [
      'CREATEROLE',
      'create a role',
      'alter role audit_writer createrole',
      'alter role audit_writer nocreaterole',
    ],
    [
      'membership in pg_read_all_data',
      'read audit.record',
      'grant pg_read_all_data to audit_writer',
      'revoke pg_read_all_data from audit_writer',
    ],
  ])('is found out, and left as it is: a writer with %s', async (what, may, give, take) => {
    const before = await contents();
    await admin.query(give);
    try {
      const failures = texts(await check(), 'failed');
      expect(failures).toContain(`audit_writer has ${what}`);
      expect(failures).toContain(`audit_writer may ${may}, which it must not`);
      expect(await contents()).toEqual(before);
    } finally {
      await admin.query(take);
    }
  });

  it('is found out: a schema that is not there', async () => {
    await cluster.postgres.createDatabase('bare');
    const over = {
      AUDIT_WRITER_URL: cluster.postgres.url('audit_writer', 'bare'),
      AUDIT_READER_URL: cluster.postgres.url('audit_reader', 'bare'),
    };
    const found = await check(over);
    expect(texts(found, 'failed')).toContain(
      'audit_writer: the schema is not there, or older than 0006_migrations',
    );
    expect(texts(found, 'ok').join()).not.toContain('is refused');
  });
});

describe('a login that is wrong', () => {
  const secret = 'hunter2';
  it.each([
    ['another role', () => database.url('audit_owner'), 'logs in as another role than audit_writer'],
    [
      'a wrong password',
      () => database.url('audit_writer').replace(/:[^:@]+@/, `:${secret}@`),
      'cannot connect: the password is wrong',
    ],
    [
      'no such database',
      () => database.url('audit_writer').replace(/[^/]+$/, secret),
      'cannot connect: there is no such database',
    ],
  ])('is told without what it is: %s', async (_what, url, failure) => {
    const found = await check({ AUDIT_WRITER_URL: url() });
    expect(texts(found, 'failed').join()).toContain(failure);
    const said = JSON.stringify(found);
    for (const value of [secret, ...Object.values(settings()), cluster.postgres.password('audit_owner')]) {
      expect(said).not.toContain(value);
    }
  });

  it('is told when nothing answers, or something else does', async () => {
    for (const endpoint of ['http://127.0.0.1:1/sql', `${neon.url}/elsewhere`]) {
      const failures = texts(await check({ AUDIT_SQL_ENDPOINT: endpoint }), 'failed');
      expect(failures).toEqual([
        'audit_writer cannot connect: nothing answered as a database does',
        'audit_reader cannot connect: nothing answered as a database does',
      ]);
    }
  });

  it('is not tried when its setting is bad', async () => {
    const found = await check({ AUDIT_WRITER_URL: `mysql://w:${secret}@127.0.0.1/x` });
    expect(texts(found, 'unknown')).toEqual(['audit_writer not tried: AUDIT_WRITER_URL is not known here']);
  });
});
