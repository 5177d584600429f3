import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate, setRolePasswords } from '../scripts/lib/migrate.ts';
import { append, type Cluster, records, startCluster } from './harness.ts';

const ALL = [
  '0001_schema_and_roles',
  '0002_tables',
  '0003_partitions',
  '0004_append',
  '0005_rights',
  '0006_migrations',
  '0007_checkpoints',
  '0009_recovery',
  '0010_archives',
  '0011_personal',
  '0012_columns',
  '0013_follow',
  '0014_batches',
  '0015_retired_keys',
  '0016_closed_epochs',
  '0017_close',
];

let cluster: Cluster;
let admin: pg.Client;
let name: string;
let ownerUrl: string;
let databases = 0;

beforeAll(async () => {
  cluster = await startCluster();
  admin = new pg.Client({ connectionString: cluster.postgres.adminUrl });
  await admin.connect();
});
beforeEach(async () => {
  name = `empty_${++databases}`;
  await cluster.postgres.createDatabase(name);
  ownerUrl = cluster.postgres.url('audit_owner', name);
});
afterAll(async () => {
  await admin.end();
  await cluster.stop();
});

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('migrate', () => {
  it('applies each migration once', async () => {
    expect(await migrate(ownerUrl)).toEqual(ALL);
    expect(await migrate(ownerUrl)).toEqual([]);
    expect(await ask(ownerUrl, 'select name from audit.migration order by id')).toEqual(
      ALL.map((migration) => ({ name: migration })),
    );
  });

  it('applies them once when two run at the same time', async () => {
    const applied = await Promise.all([migrate(ownerUrl), migrate(ownerUrl)]);
    expect(applied.map(({ length }) => length).sort()).toEqual([0, ALL.length]);
  });

  it('changes nothing when it only says what it would do', async () => {
    expect(await migrate(ownerUrl, { dryRun: true })).toEqual(ALL);
    expect(await ask(ownerUrl, `select from pg_namespace where nspname = 'audit'`)).toEqual([]);
    await migrate(ownerUrl);
    expect(await migrate(ownerUrl, { dryRun: true })).toEqual([]);
  });

  it('needs no right to create roles where they exist', async () => {
    await admin.query(
      `create role plain_owner login password 'plain'; alter database ${name} owner to plain_owner`,
    );
    const url = ownerUrl.replace(/\/\/.*@/, '//plain_owner:plain@');
    expect(await migrate(url)).toEqual(ALL);
    await setRolePasswords(ownerUrl, { writer: 'w', reader: 'r' });
    const writer = new pg.Client({ connectionString: ownerUrl.replace(/\/\/.*@/, '//audit_writer:w@') });
    await writer.connect();
    expect((await append(writer, 'acme~0~1', 0, records('acme~0~1', 0, 2))).head).toBe('2');
    await writer.end();
    await expect(setRolePasswords(url, { writer: 'w', reader: 'r' })).rejects.toThrow(
      /^The password of audit_writer/,
    );
  });

  it('rolls everything back when one fails', async () => {
    await admin.query(`create role squatter login password 's'`);
    await ask(cluster.postgres.url('postgres', name), 'create schema audit authorization squatter');
    await ask(cluster.postgres.url('postgres', name), 'grant all on schema audit to audit_owner');
    const lines: string[] = [];
    const failing = migrate(ownerUrl, { log: (line) => lines.push(line) });
    await expect(failing).rejects.toThrow(
      'rolled back: schema audit belongs to another role than audit_owner',
    );
    expect(await ask(ownerUrl, 'select * from audit.migration')).toEqual([]);
    expect(lines.join()).toContain('schema audit belongs');
    expect(lines.join()).not.toContain(cluster.postgres.password('audit_owner'));
  });

  it.each([
    ['BYPASSRLS', 'alter role audit_reader bypassrls', 'alter role audit_reader nobypassrls'],
    ['SUPERUSER', 'alter role audit_writer superuser', 'alter role audit_writer nosuperuser'],
    ['CREATEROLE', 'alter role audit_writer createrole', 'alter role audit_writer nocreaterole'],
    [
      'membership in pg_write_all_data',
      'grant pg_write_all_data to audit_writer',
      'revoke pg_write_all_data from audit_writer',
    ],
    ['membership in pg_monitor', 'grant pg_monitor to audit_reader', 'revoke pg_monitor from audit_reader'],
  ])('is not content with a gateway role that has %s', async (what, give, take) => {
    await admin.query(give);
    try {
      await expect(migrate(ownerUrl)).rejects.toThrow(what);
      // Also when nothing is left to apply.
      await expect(migrate(ownerUrl)).rejects.toThrow(what);
    } finally {
      await admin.query(take);
    }
    expect(await migrate(ownerUrl)).toEqual([]);
  });

  it.each([
    ['no URL', 'secret'],
    ['another scheme', 'mysql://u:secret@127.0.0.1/x'],
    ['a URL that does not parse', 'postgresql://u:secret@[/x'],
    ['a closed port', 'postgresql://u:secret@127.0.0.1:1/x'],
  ])('does not repeat the connection string in an error: %s', async (_what, url) => {
    const error = await migrate(url).catch((e: Error) => e);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(/connection string is not|cannot be reached/);
    expect(String(error)).not.toContain('secret');
  });

  it('refuses a database in another encoding', async () => {
    await admin.query(`create database latin owner audit_owner encoding 'LATIN1' template template0`);
    await expect(migrate(cluster.postgres.url('audit_owner', 'latin'))).rejects.toThrow('UTF8');
  });
});

describe('setRolePasswords', () => {
  it.each([["it's"], ["'; drop schema audit cascade; --"], ['back\\slash'], ['$1 "q" é']])(
    'sets %j as it is',
    async (password) => {
      await setRolePasswords(ownerUrl, { writer: password, reader: password });
      for (const role of ['audit_writer', 'audit_reader']) {
        const login = ownerUrl.replace(/\/\/.*@/, `//${role}:${encodeURIComponent(password)}@`);
        expect(await ask(login, 'select current_user as me')).toEqual([{ me: role }]);
      }
    },
  );
});

describe('npm run db:migrate', () => {
  const run = async (...args: string[]) => {
    const file = fileURLToPath(new URL('../scripts/run.cjs', import.meta.url));
    const env = { ...process.env, AUDIT_OWNER_URL: ownerUrl };
    return promisify(execFile)(process.execPath, [file, 'db-migrate', ...args], { env });
  };

  it('says what it would apply, applies it, and says when nothing is left', async () => {
    expect((await run('--dry-run')).stdout).toBe(
      ALL.map((migration) => `would apply ${migration}\n`).join(''),
    );
    expect((await run()).stdout).toBe(ALL.map((migration) => `applied ${migration}\n`).join(''));
    expect((await run()).stdout).toBe('The schema is up to date.\n');
    expect(JSON.parse((await run('--json')).stdout)).toEqual({ applied: [] });
    expect(JSON.parse((await run('--json', '--dry-run')).stdout)).toEqual({ pending: [] });
  });

  it('fails with one line', async () => {
    ownerUrl = 'postgresql://u:secret@127.0.0.1:1/x';
    await expect(run()).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^The database cannot be reached: [^\n]*\n$/),
    });
  });
});
