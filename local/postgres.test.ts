import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { engine } from './postgres/engine.ts';
import { commandLine, parentOf } from './postgres/postmaster.ts';
import { databaseDir, databaseUser, reaches } from './postgres/user.ts';
import { type Postgres, startPostgres } from './postgres.ts';

let base: string;
let dir: string;
let running: Postgres[];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'local-postgres-'));
  await chmod(base, 0o755);
  dir = join(base, 'database');
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((postgres) => postgres.stop()));
  await rm(base, { recursive: true, force: true });
});

async function start(options: { port?: number; log?: (line: string) => void } = {}): Promise<Postgres> {
  const postgres = await startPostgres({ dir, durable: false, ...options });
  running.push(postgres);
  return postgres;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const alive = (pid: number) => commandLine(pid) !== undefined;
async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 200 && alive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(alive(pid)).toBe(false);
}
const postmaster = async () =>
  Number((await readFile(join(dir, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);

/** Another process that starts a database in `dir` and keeps it; resolves when it runs. */
async function startElsewhere(): Promise<ChildProcess> {
  const script = `
    import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)};
    await startPostgres({ dir: ${JSON.stringify(dir)}, durable: false });
    console.log('up');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

it('keeps data and passwords from one start to the next', async () => {
  const first = await start();
  expect(await first.createDatabase('kept')).toBe(true);
  await query(first.url('audit_owner', 'kept'), 'create table t as select 42 as n');
  expect(await first.createDatabase('copy', 'kept')).toBe(true);
  const pid = await postmaster();
  await first.stop();
  expect(alive(pid)).toBe(false);

  const second = await start();
  expect(await second.createDatabase('kept')).toBe(false);
  expect(second.password('audit_owner')).toBe(first.password('audit_owner'));
  expect(await query(second.url('audit_owner', 'kept'), 'select n from t')).toEqual([{ n: 42 }]);
  expect(await query(second.url('audit_owner', 'copy'), 'select n from t')).toEqual([{ n: 42 }]);
});

it('lets nobody in without the password, and listens on loopback only', async () => {
  const postgres = await start();
  const url = new URL(postgres.adminUrl);
  url.password = 'postgres';
  await expect(query(url.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  url.password = '';
  await expect(query(url.href, 'select 1')).rejects.toThrow();
  const settings = `select name, setting from pg_settings
    where name in ('listen_addresses', 'unix_socket_directories', 'password_encryption') order by name`;
  expect(await query(postgres.adminUrl, settings)).toEqual([
    { name: 'listen_addresses', setting: '127.0.0.1' },
    { name: 'password_encryption', setting: 'scram-sha-256' },
    { name: 'unix_socket_directories', setting: '' },
  ]);
  const rules = `select distinct auth_method from pg_hba_file_rules`;
  expect(await query(postgres.adminUrl, rules)).toEqual([{ auth_method: 'scram-sha-256' }]);
  const owner = `select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole from pg_roles where rolname = 'audit_owner'`;
  expect(await query(postgres.adminUrl, owner)).toEqual([
    { rolsuper: false, rolbypassrls: false, rolcreatedb: false, rolcreaterole: true },
  ]);
});

it('keeps its folder to itself and runs as an ordinary user', async () => {
  await start();
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
  expect((await stat(join(dir, 'passwords.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(['data', 'passwords.json']);
  expect((await stat(join(dir, 'data'))).uid).toBe(databaseUser()?.uid ?? process.getuid!());
  expect((await stat(join(dir, 'data'))).uid).not.toBe(0);
});

it('writes neither statements nor values to its log', async () => {
  const lines: string[] = [];
  const postgres = await start({ log: (line) => lines.push(line) });
  await query(postgres.adminUrl, `create table t (a text check (a = ''))`);
  await expect(query(postgres.adminUrl, `insert into t values ('secret-value')`)).rejects.toThrow();
  await expect(query(postgres.adminUrl, `select 'secret-value'::integer`)).rejects.toThrow();
  await postgres.stop();
  expect(lines.join('\n')).toContain('ready to accept connections');
  expect(lines.join('\n')).not.toContain('secret-value');
});

it('names the remedy when the port is taken', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await expect(start({ port })).rejects.toThrow(new RegExp(`^Port ${port} is taken: `));
  server.close();
});

it('says why it did not start', async () => {
  await (await start()).stop();
  await writeFile(join(dir, 'data', 'PG_VERSION'), '14\n');
  await expect(start()).rejects.toThrow(/^Postgres did not start: .*incompatible/);
});

it('does not use a folder that is something else', async () => {
  const elsewhere = join(base, 'elsewhere');
  await mkdir(elsewhere);
  await symlink(elsewhere, dir);
  await expect(start()).rejects.toThrow('is not a folder of ours');
  expect(await readdir(elsewhere)).toEqual([]);
});

it('reports a crash', async () => {
  const postgres = await start();
  process.kill(await postmaster(), 'SIGKILL');
  expect(typeof (await postgres.crashed)).toBe('string');
  await (await start()).stop();
});

it('ends when the process that started it is killed', async () => {
  const other = await startElsewhere();
  const pid = await postmaster();
  other.kill('SIGKILL');
  await gone(pid);
  const postgres = await start();
  expect(await query(postgres.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('refuses a folder that another run uses, and leaves that run alone', async () => {
  const other = await startElsewhere();
  const pid = await postmaster();
  await expect(start()).rejects.toThrow(new RegExp(`in use by process ${pid}: stop that run first`));
  expect(alive(pid)).toBe(true);
  other.kill('SIGKILL');
  await gone(pid);
});

it('clears away a postmaster whose run and supervisor were both killed', async () => {
  const other = await startElsewhere();
  const pid = await postmaster();
  const supervisor = parentOf(pid)!;
  process.kill(supervisor, 'SIGKILL');
  other.kill('SIGKILL');
  await gone(supervisor);
  const lines: string[] = [];
  const postgres = await start({ log: (line) => lines.push(line) });
  expect(lines[0]).toBe(`stopping the database that an earlier run left behind (process ${pid})`);
  expect(await postmaster()).not.toBe(pid);
  expect(alive(pid)).toBe(false);
  expect(await query(postgres.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('kills nothing for a stale file that names somebody else', async () => {
  await (await start()).stop();
  const bystander = spawn('sleep', ['60']);
  await writeFile(join(dir, 'data', 'postmaster.pid'), `${bystander.pid}\n${join(dir, 'data')}\n`);
  await start();
  expect(alive(bystander.pid!)).toBe(true);
  bystander.kill();
});

it('makes a database whose making was broken off again', async () => {
  await mkdir(join(dir, 'data.part'), { recursive: true });
  await writeFile(join(dir, 'data.part', 'PG_VERSION'), '18\n');
  const postgres = await start();
  expect(await query(postgres.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('puts the folder where the database can reach it', async () => {
  const user = { uid: 65534, gid: 65534 };
  const open = join(base, 'open');
  const closed = join(base, 'closed');
  for (const root of [open, closed]) await mkdir(root);
  await chmod(closed, 0o700);
  const own = await stat(base);
  expect(databaseDir(open, user)).toBe(join(open, '.local', 'postgres'));
  expect(databaseDir(closed, user)).toMatch(new RegExp(`^${tmpdir()}/mem0-governance-[0-9a-f]{16}$`));
  expect(databaseDir(closed, user)).toBe(databaseDir(closed, user));
  expect(databaseDir(closed, { uid: own.uid, gid: own.gid })).toBe(join(closed, '.local', 'postgres'));
  // The local state can be closed in an open checkout.
  await mkdir(join(open, '.local'), { mode: 0o700 });
  expect(databaseDir(open, user)).not.toContain(open);
});

it('copies the binaries when the database cannot reach them, and runs the copy', async () => {
  const closed = join(base, 'closed', 'package');
  await mkdir(dir);
  const real = dirname(dirname(dirname((await engine(dir, undefined)).initdb)));
  await cp(real, closed, { recursive: true, verbatimSymlinks: true });
  await chmod(dirname(closed), 0o700);
  const user = { uid: 65534, gid: 65534 };
  expect(reaches(user, closed)).toBe(false);
  await mkdir(join(dir, 'engine-older'));
  const copy = await engine(dir, user, closed);
  expect(copy.postgres.startsWith(dir)).toBe(true);
  expect((await readdir(dir)).map((name) => name.replace(/\d.*/, ''))).toEqual(['engine-']);
  const { stdout } = await promisify(execFile)(copy.postgres, ['--version'], {
    ...databaseUser(),
    cwd: base,
  });
  expect(stdout).toContain('18.');
  const { mtimeMs } = await stat(copy.postgres);
  expect((await stat((await engine(dir, user, closed)).postgres)).mtimeMs).toBe(mtimeMs);

  await rm(join(closed, 'native', 'lib', 'libpq.so.5'));
  await expect(engine(dir, user, closed)).rejects.toThrow('run `npm ci` without --ignore-scripts');
});
