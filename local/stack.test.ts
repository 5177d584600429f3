import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freePort, isPortFree } from './ports.ts';
import { startedAt } from './process.ts';
import { readInfo, type StackInfo, statePaths } from './stack/info.ts';
import type { Ports } from './stack/ports.ts';
import { clearState } from './stack/reset.ts';
import { type Stack, startStack } from './stack.ts';

/** The stack without the gateway, whose own tests are in workerd.test.ts and tests/integration. */

let root: string;
let ports: Ports;
const log: string[] = [];
const running: Stack[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-stack-'));
  const [gateway, identity, postgres, mem0, neon] = await Promise.all([0, 1, 2, 3, 4].map(freePort));
  ports = { gateway, identity, postgres, mem0, neon } as Ports;
});
afterEach(async () => {
  for (const stack of running.splice(0)) await stack.stop();
});
afterAll(async () => {
  await clearState(root);
  await rm(root, { recursive: true, force: true });
});

async function start(more: object = {}): Promise<Stack> {
  const stack = await startStack({ root, ports, gateway: false, log: (line) => log.push(line), ...more });
  running.push(stack);
  return stack;
}

async function query(url: string, sql: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const allFree = async () => (await Promise.all(Object.values(ports).map(isPortFree))).every(Boolean);
const memories = async ({ mem0 }: StackInfo) =>
  (await (await fetch(`${mem0.url}/memories`, { headers: { 'x-api-key': mem0.apiKey } })).json()).results;
const token = async ({ identity }: StackInfo) => {
  const { id, secret } = identity.clients.find((client) => client.id === 'globex-auditor')!;
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const body = new URLSearchParams({ grant_type: 'client_credentials' });
  return (await fetch(identity.tokenUrl, { method: 'POST', headers: { authorization }, body })).json();
};

test('everything comes up, serves, keeps its state over a restart, and leaves nothing running', async () => {
  const first = await start();
  expect(await readInfo(root)).toEqual(first.info);
  expect(await token(first.info)).toMatchObject({ access_token: expect.any(String), expires_in: 28_800 });
  await fetch(`${first.info.mem0.url}/memories`, {
    method: 'POST',
    headers: { 'x-api-key': first.info.mem0.apiKey },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'kept' }], user_id: 'a', infer: false }),
  });
  await query(first.info.auditOwnerUrl, 'create table kept (v int); insert into kept values (7)');
  const sql = await fetch(first.info.neon.url, {
    method: 'POST',
    headers: {
      'neon-connection-string': first.info.auditWriterUrl,
      'neon-raw-text-output': 'true',
      'neon-array-mode': 'true',
    },
    body: JSON.stringify({ query: 'select current_user as u', params: [] }),
  });
  expect((await sql.json()).rows).toEqual([['audit_writer']]);
  expect(await query(first.info.auditReaderUrl, 'select current_user as u')).toEqual([{ u: 'audit_reader' }]);
  const pids = [first.info.mem0.pid];
  await first.stop();
  expect(await allFree()).toBe(true);
  expect(pids.map(startedAt)).toEqual([undefined]);
  expect(await readInfo(root)).toBeUndefined();
  expect(existsSync(statePaths(root).info)).toBe(false);
  expect(existsSync(join(first.info.database.dir, 'data', 'postmaster.pid'))).toBe(false);

  const second = await start();
  expect(await memories(second.info)).toMatchObject([{ memory: 'kept' }]);
  expect(await query(second.info.auditOwnerUrl, 'select v from kept')).toEqual([{ v: 7 }]);
  expect({ ...second.info, holder: null, mem0: { ...second.info.mem0, pid: 0 } }).toEqual({
    ...first.info,
    holder: null,
    mem0: { ...first.info.mem0, pid: 0 },
  });
});

test('all that is kept is for its owner alone', async () => {
  const stack = await start();
  const { local, info, secrets, logs } = statePaths(root);
  expect((await stat(local)).mode & 0o777).toBe(0o700);
  for (const file of [info, secrets, ...(await readdir(logs)).map((name) => join(logs, name))])
    expect((await stat(file)).mode & 0o077, file).toBe(0);
  const logged = (
    await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')))
  ).join();
  const kept = JSON.parse(await readFile(secrets, 'utf8'));
  for (const secret of [stack.info.mem0.apiKey, ...Object.values<string>(kept.clientSecrets)])
    expect(logged + log.join()).not.toContain(secret);
});

test('a second start, and a reset, are refused while it runs', async () => {
  await start();
  await expect(start()).rejects.toThrow(
    `The stack runs already (process ${process.pid}): stop it with Ctrl-C`,
  );
  await expect(clearState(root)).rejects.toThrow(/^The stack runs/);
  expect(await readInfo(root)).toBeDefined();
});

test('a taken port is one line that names it, and the next start succeeds', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(ports.mem0, '127.0.0.1', resolve));
  try {
    await expect(start()).rejects.toThrow(
      `Port ${ports.mem0} (Mem0) is taken: stop what listens there, or move all ports with \`npm start -- --offset 100\`.`,
    );
  } finally {
    other.close();
  }
  await start();
});

test('the lock of a killed start is taken over', async () => {
  const { lock } = statePaths(root);
  const numbers = (await readdir(lock)).map(Number);
  const next = join(lock, String(Math.max(...numbers) + 1));
  await writeFile(next, JSON.stringify({ pid: process.pid, started: 'at another time' }));
  log.length = 0;
  await start();
  expect(log[0]).toMatch(/its lock was stale/);
});

test('a crashed part stops everything, and is named in one line with the remedy', async () => {
  const stack = await start();
  process.kill(-stack.info.mem0.pid, 'SIGKILL');
  const line = await stack.crashed;
  expect(line).toMatch(/^Mem0 was ended by SIGKILL; .*mem0\.log, then run `npm start` again\.$/);
  expect(await allFree()).toBe(true);
  await start();
});

test('a killed database stops everything, and comes back', async () => {
  const stack = await start();
  const file = join(stack.info.database.dir, 'data', 'postmaster.pid');
  process.kill(Number((await readFile(file, 'utf8')).split('\n')[0]), 'SIGKILL');
  expect(await stack.crashed).toMatch(/^The database ended .*postgres\.log, then run `npm start` again\.$/);
  expect(await allFree()).toBe(true);
  const again = await start();
  expect(await query(again.info.auditOwnerUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a start that is broken off leaves nothing running', async () => {
  await expect(start({ signal: AbortSignal.timeout(300) })).rejects.toThrow('The start was broken off.');
  for (const until = Date.now() + 10_000; !(await allFree()) && Date.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await allFree()).toBe(true);
  await start();
});

test('damaged secrets are one line that names the remedy', async () => {
  const { secrets } = statePaths(root);
  const text = await readFile(secrets, 'utf8');
  await writeFile(secrets, text.slice(0, -5));
  await expect(start()).rejects.toThrow(/is damaged: run `npm run reset`/);
  await writeFile(secrets, text);
});

test('a reset clears the database with the rest; what comes after is new', async () => {
  const stack = await start();
  await stack.stop();
  running.length = 0;
  const { dir } = stack.info.database;
  expect((await clearState(root)).sort()).toEqual([...new Set([dir, join(root, '.local')])].sort());
  expect([existsSync(dir), existsSync(join(root, '.local'))]).toEqual([false, false]);
  expect(await clearState(root)).toEqual([]);
  const fresh = await start();
  expect(fresh.info.mem0.apiKey).not.toBe(stack.info.mem0.apiKey);
  expect(await memories(fresh.info)).toEqual([]);
});
