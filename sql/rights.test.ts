import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { append, type Cluster, type Database, record, records, refusal, startCluster } from './harness.ts';

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let reader: pg.Client;
let owner: pg.Client;
let partition: string;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  [writer, reader, owner] = await Promise.all([
    database.as('audit_writer'),
    database.as('audit_reader'),
    database.as('audit_owner'),
  ]);
  await append(writer, 'acme~0~1', 0, records('acme~0~1', 0, 3));
  await append(writer, 'globex~0~1', 0, records('globex~0~1', 0, 2));
  await append(writer, '~strangers~0~1', 0, records('~strangers~0~1', 0, 1));
  for (const log of ['acme~0~1', 'globex~0~1']) {
    await writer.query('select audit.quarantine($1, (audit.log_state($1)).head, $2, $3)', [
      log,
      Buffer.from('{}'),
      '22P05',
    ]);
  }
  for (const log of ['acme~0~1', 'globex~0~1']) {
    const root = Buffer.alloc(32, 1);
    const note = `gateway.test/${log}\n1\n${root.toString('base64')}\n\n\u2014 k s\n`;
    await writer.query('select audit.store_checkpoint($1, 1, $2, $3)', [log, root, note]);
    await writer.query(`select audit.store_cosignature($1, 1, $2, 'w', '00000000', 1, 'line')`, [log, root]);
  }
  partition = (await owner.query('select tableoid::regclass::text as name from audit.record limit 1')).rows[0]
    .name;
});
afterAll(() => cluster.stop());

/** Statements with `PARTITION` for the partition that holds rows. */
const FORBIDDEN = [
  'insert into audit.record (log, index, at, canonical) select log, 9, at, canonical from audit.record',
  `insert into audit.record (log, index, at, canonical) values ('acme~0~1', 3, now(), '{}')`,
  `insert into PARTITION (log, index, at, canonical) values ('acme~0~1', 3, now(), '{}')`,
  `insert into audit.log_head (log, tenant, shard, epoch) values ('x~0~1', 'x', 0, 1)`,
  `insert into audit.quarantined (log, index, bytes, sqlstate) values ('x~0~1', 0, '', '00000')`,
  `update audit.record set canonical = '{}'`,
  `update PARTITION set canonical = '{}'`,
  'update audit.log_head set head = 0, last_leaf = null',
  `update audit.quarantined set bytes = ''`,
  'delete from audit.record',
  'delete from PARTITION',
  'delete from audit.log_head',
  'delete from audit.quarantined',
  'truncate audit.record',
  'truncate PARTITION',
  'truncate audit.log_head',
  'truncate audit.quarantined',
  `insert into audit.checkpoint (log, size, root, note) values ('acme~0~1', 1, sha256(''), '')`,
  `update audit.checkpoint set note = ''`,
  'delete from audit.checkpoint',
  'truncate audit.checkpoint',
  `insert into audit.cosignature (log, size, witness, key_hash, seconds, line) values ('a~0~1', 1, 'w', '', 0, '')`,
  `update audit.cosignature set line = ''`,
  'delete from audit.cosignature',
  'truncate audit.cosignature',
  'drop table audit.record cascade',
  'drop table PARTITION',
  'drop schema audit cascade',
  'drop function audit.append_batch',
  'alter table audit.record disable trigger all',
  'alter table PARTITION disable trigger append_only',
  'drop trigger append_only on audit.record',
  'alter table audit.record disable row level security',
  'drop policy tenant_of_session on audit.record',
  'alter table audit.record detach partition PARTITION',
  'alter table audit.record drop constraint record_at_is_time',
  'alter function audit.append_batch owner to current_user',
  `create or replace function audit.leaf_hash(p_text text) returns bytea language sql as 'select null::bytea'`,
  'create function audit.encode(bytea, text) returns text language sql as $$ select $$',
  'create table audit.mine (a int)',
  'create table public.mine (a int)',
  'create schema mine',
  'select * from PARTITION',
  'select * from audit.migration',
  `select audit.lock_head('acme~0~1')`,
  `select audit.make_partition('2020-01-01')`,
  `select audit.stored_leaves('acme~0~1', 0, 9)`,
  'set role audit_owner',
  'set role postgres',
  'set session authorization postgres',
  'set session_replication_role = replica',
  'create role mine',
  'grant audit_owner to current_user',
  `copy (select 1) to program 'true'`,
  `select pg_read_file('PG_VERSION')`,
];

const READERS_ONLY = [
  'select * from audit.record',
  'select count(*) from audit.record',
  'select * from audit.log_head',
  'select * from audit.quarantined',
  'select * from audit.checkpoint',
  'select * from audit.cosignature',
  'select * from audit.archive',
  'select * from audit.hold',
  'select * from audit.personal',
  'select * from audit.retired_key',
  `select audit.leaf_hash('')`,
  'insert into audit.record (log, index, at, canonical) values (null, null, null, null) returning canonical',
];

const WRITERS_ONLY = [
  `select audit.append_batch('acme~0~1', 0, '[]')`,
  `select audit.follow('acme~0~1', 0, null)`,
  `select audit.quarantine('acme~0~1', 3, '', '00000')`,
  `select audit.log_state('acme~0~1')`,
  `select audit.leaf_at('acme~0~1', 0)`,
  `select * from audit.stored_records('acme~0~1', 0)`,
  `select audit.close_log('acme~0~1', 0)`,
  `select audit.set_hold('acme', true, 'why', 'request')`,
  `select audit.copy_personal('acme', '[]', '[]')`,
  `select audit.tenants_to_rekey('v1')`,
  `select audit.retire_key('acme', 'k1', 'request')`,
  'select audit.ensure_partitions()',
  `select audit.last_checkpoint('acme~0~1')`,
  `select audit.store_checkpoint('acme~0~1', 1, sha256(''), '')`,
  `select audit.store_cosignature('acme~0~1', 1, sha256(''), 'w', '', 0, '')`,
];

/** A refusal for want of rights, and not for some fault of the statement. */
const refused = async (client: pg.Client, statement: string) => {
  await client.query('begin');
  const { code } = await refusal(client.query(statement.replaceAll('PARTITION', partition)));
  await client.query('rollback');
  // 2BP01 would mean that the right was there; 22023 is what SET ROLE says of a role one is no member of.
  expect(['42501', '22023']).toContain(code);
};

describe('the writer', () => {
  it.each([...FORBIDDEN, ...READERS_ONLY])('may not: %s', (statement) => refused(writer, statement));

  it('changes nothing for its functions by objects of its own', async () => {
    const session = await database.as('audit_writer');
    await session.query('create temp table log_head (log text, head bigint, last_leaf bytea)');
    await session.query('create temp table record (log text, index bigint, leaf bytea)');
    await session.query(
      `create function pg_temp.sha256(bytea) returns bytea language sql as $$ select ''::bytea $$`,
    );
    await session.query(
      `create function pg_temp.encode(bytea, text) returns text language sql as $$ select 'x' $$`,
    );
    await session.query('set search_path = pg_temp, public, pg_catalog');
    const rows = records('shadow~0~1', 0, 2);
    expect(await append(session, 'shadow~0~1', 0, rows)).toEqual({ head: '2', last_leaf: rows[1]!.leaf });
    expect((await session.query('select * from pg_temp.record')).rows).toEqual([]);
  });

  it('stores times right whatever its session makes of times', async () => {
    const session = await database.as('audit_writer');
    await session.query(
      `set timezone = 'Pacific/Kiritimati'; set datestyle = 'German'; set intervalstyle = 'sql_standard'`,
    );
    await append(session, 'zone~0~1', 0, records('zone~0~1', 0, 1));
    await session.query('select audit.ensure_partitions(4)');
    const { rows } = await owner.query(
      `select pg_get_expr(c.relpartbound, c.oid) as bound from pg_class c join pg_inherits i on i.inhrelid = c.oid
       where i.inhparent = 'audit.record'::regclass`,
    );
    for (const { bound } of rows) expect(bound).toMatch(/^FOR VALUES FROM \('\d{4}-\d\d-01 00:00:00\+00'\)/);
  });
});

describe('the reader', () => {
  it.each([...FORBIDDEN, ...WRITERS_ONLY])('may not: %s', (statement) => refused(reader, statement));

  const seen = async (tenant: string | undefined) => {
    await reader.query('begin');
    if (tenant !== undefined) await reader.query(`select set_config('audit.tenant', $1, true)`, [tenant]);
    const { rows } = await reader.query(
      `select tenant from audit.record union all select tenant from audit.log_head
       union all select tenant from audit.quarantined union all select tenant from audit.checkpoint
       union all select tenant from audit.cosignature`,
    );
    await reader.query('commit');
    return rows.map((row) => row.tenant as string);
  };

  it('sees the tenant of its session and no other', async () => {
    expect(await seen('acme')).toEqual(Array(7).fill('acme'));
    expect(await seen('globex')).toEqual(Array(6).fill('globex'));
    expect(await seen('~strangers')).toEqual(Array(2).fill('~strangers'));
  });

  it.each([[undefined], [''], ['ACME'], ['acme '], ['%'], ['acme~0'], ["' or true --"]])(
    'sees nothing as %j',
    async (tenant) => {
      expect(await seen(tenant)).toEqual([]);
    },
  );

  it('sees nothing of another tenant through a function of its own or a plan', async () => {
    await reader.query('begin');
    await reader.query(`select set_config('audit.tenant', 'acme', true)`);
    await reader.query(
      `create function pg_temp.peek(text) returns boolean language plpgsql cost 0.0001
       as $$ begin if $1 = 'globex' then raise exception 'seen'; end if; return true; end $$`,
    );
    expect((await reader.query('select from audit.record where pg_temp.peek(tenant)')).rowCount).toBe(3);
    await reader.query('rollback');
  });

  it('turns row security off for nobody', async () => {
    await reader.query('set row_security = off');
    expect(await refusal(reader.query('select * from audit.record'))).toMatchObject({ code: '42501' });
    await reader.query('set row_security = on');
  });

  it('can name the migrations, as the writer can', async () => {
    const names = (await owner.query('select name from audit.migration order by id')).rows.map(
      (row) => row.name,
    );
    for (const client of [reader, writer]) {
      const { rows } = await client.query('select name from audit.migrations() as name');
      expect(rows.map((row) => row.name)).toEqual(names);
    }
  });

  it('can compute the hash of a record again', async () => {
    const row = record('acme~0~1', 0);
    const { rows } = await reader.query(`select encode(audit.leaf_hash($1), 'hex') as leaf`, [row.text]);
    expect(rows[0].leaf).toBe(row.leaf);
  });
});

describe('the owner', () => {
  it.each([
    `update audit.record set canonical = '{}'`,
    `update PARTITION set canonical = '{}'`,
    'delete from audit.record',
    'delete from PARTITION',
    'truncate audit.record',
    'truncate PARTITION',
    'delete from audit.log_head',
    'truncate audit.log_head',
    'update audit.log_head set head = head - 1',
    `update audit.log_head set log = 'x~0~1'`,
    `update audit.quarantined set bytes = ''`,
    'delete from audit.quarantined',
    'truncate audit.quarantined',
    `update audit.checkpoint set note = ''`,
    'delete from audit.checkpoint',
    'truncate audit.checkpoint',
    'delete from audit.cosignature',
    'truncate audit.cosignature',
    'set session_replication_role = replica',
  ])('may not by mistake: %s', (statement) => refused(owner, statement));
});

describe('a superuser in replica mode', () => {
  it.each(['delete from audit.record', 'truncate PARTITION', 'update audit.log_head set head = head - 1'])(
    'is stopped by the triggers: %s',
    async (statement) => {
      const admin = await database.as('postgres');
      await admin.query('set session_replication_role = replica');
      await refused(admin, statement);
    },
  );
});

describe('everybody else', () => {
  it('may do nothing in the schema', async () => {
    const admin = await database.as('postgres');
    await admin.query(`create role passer_by login password 'x'`);
    const url = new URL(database.url('postgres'));
    [url.username, url.password] = ['passer_by', 'x'];
    const passerBy = new pg.Client({ connectionString: url.href });
    await passerBy.connect();
    try {
      const both = 'select audit.migrations()';
      for (const statement of [...FORBIDDEN, ...READERS_ONLY, ...WRITERS_ONLY, both])
        await refused(passerBy, statement);
    } finally {
      await passerBy.end();
    }
  });

  it('is granted nothing by way of PUBLIC', async () => {
    const { rows } = await owner.query(
      `select p.proname from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       where p.pronamespace = 'audit'::regnamespace and a.grantee = 0
       union all
       select c.relname from pg_class c, aclexplode(c.relacl) a
       where c.relnamespace = 'audit'::regnamespace and a.grantee = 0`,
    );
    expect(rows).toEqual([]);
  });

  it('finds a fixed search_path on every function that runs with the rights of the owner', async () => {
    const { rows } = await owner.query(
      `select proname, proconfig from pg_proc where pronamespace = 'audit'::regnamespace and prosecdef`,
    );
    expect(rows.map(({ proname }) => proname).sort()).toEqual([
      'append_batch',
      'close_log',
      'copy_personal',
      'ensure_partitions',
      'follow',
      'last_checkpoint',
      'leaf_at',
      'log_state',
      'migrations',
      'quarantine',
      'retire_key',
      'set_hold',
      'store_checkpoint',
      'store_cosignature',
      'stored_records',
      'tenants_to_rekey',
    ]);
    for (const { proconfig } of rows) expect(proconfig).toContain('search_path=pg_catalog, audit, pg_temp');
  });
});
