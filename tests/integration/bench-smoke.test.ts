import { execFileSync, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { measureBuild } from '../../bench/build.ts';
import type { Fill, Filled } from '../../bench/fill/types.ts';
import type { Results } from '../../bench/results.ts';
import { SCENARIOS } from '../../bench/scenarios.ts';
import { measureVerification } from '../../bench/verification.ts';
import { forkScript } from '../../bench/world/fork.ts';
import { Ledger } from '../../bench/world/ledger.ts';
import { startNeon } from '../../local/neon.ts';
import { append, type Cluster, record, startCluster } from '../../sql/harness.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let temp: string;
let cluster: Cluster;

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'mem0-governance-smoke-'));
  // Postgres may run under another user, which has to get through.
  await chmod(temp, 0o711);
  cluster = await startCluster();
});

afterAll(async () => {
  await cluster?.stop();
  await rm(temp, { recursive: true, force: true });
});

function bench(...args: string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/run.cjs'), 'bench', ...args], {
    env: { ...process.env, TMPDIR: temp },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended, said: (text: string) => stderr.includes(text) };
}

/** Processes that were started with this test's folder for temporary files. */
function left(): string[] {
  return execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(temp));
}

it('answers every scenario as it must, with each request in Postgres or its open counter', async () => {
  const { code, stdout, stderr } = await bench('--smoke', '--json').ended;
  expect(stderr).toBe('');
  const { cells, refusals = [] } = JSON.parse(stdout) as Results;
  expect(cells.map(({ scenario }) => scenario)).toEqual(SCENARIOS.map(({ name }) => name));
  expect(refusals.map(({ scenario }) => scenario)).toEqual(['denied', 'limited', 'unauthenticated']);
  for (const { rounds } of [...cells, ...refusals]) {
    expect(rounds).toHaveLength(1);
    expect(rounds[0]!.fault).toBeUndefined();
    expect(rounds[0]!.gateway.requests).toBeGreaterThan(0);
    expect(rounds[0]!.gateway.cpuUs).toBeGreaterThan(0);
  }
  expect(code).toBe(0);
  expect(left()).toEqual([]);
});

it('has the verifier find a log of its own making sound, and the bundle and its start within reason', async () => {
  const io = { out: () => {}, note: () => {}, json: false };
  const { signal } = new AbortController();
  const verification = await measureVerification(io, signal, 2500);
  expect(verification).toMatchObject({ records: 2500 });
  expect(verification.residentBytes).toBeGreaterThan(10e6);
  const build = await measureBuild(io, 1, signal);
  expect(build.gzipBytes).toBeGreaterThan(10_000);
  expect(build.gzipBytes).toBeLessThan(build.bytes);
  expect(build.startupMs.median).toBeGreaterThan(0);
});

it('makes a log long in its own storage and in Postgres, and goes on where it ended', async () => {
  const database = await cluster.fresh();
  const neon = await startNeon({ databasePort: cluster.postgres.port });
  const filler = await forkScript<Filled>('fill/main.ts');
  try {
    const file = join(temp, 'log.sqlite');
    const log = { file, tenant: 'acme', writerUrl: database.url('audit_writer'), endpoint: neon.url };
    expect(await filler.ask({ ...log, size: 2345 } satisfies Fill)).toEqual({ appended: 2345 });
    expect(await filler.ask({ ...log, size: 3000 } satisfies Fill)).toEqual({ appended: 655 });
    const owner = await database.as('audit_owner');
    const { rows } = await owner.query('select log, head::int from audit.log_head');
    expect(rows).toEqual([{ log: 'acme~0~1', head: 3000 }]);
    const store = new DatabaseSync(file);
    expect(store.prepare('SELECT size, flushed FROM state').get()).toEqual({ size: 3000, flushed: 3000 });
    store.close();
  } finally {
    await filler.stop();
    await neon.stop();
    await rm(join(temp, 'log.sqlite'));
  }
});

it('leaves nothing behind when it is broken off', async () => {
  const { child, ended, said } = bench('--smoke');
  while (!said('read, 8 connections')) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stdout: '' });
  expect(left()).toEqual([]);
  expect(await readdir(temp)).toEqual([]);
});

it('sees a request that no outcome stands for, one too many, and those that a counter holds', async () => {
  const database = await cluster.fresh();
  const owner = await database.as('audit_owner');
  const writer = await database.as('audit_writer');
  const objects = join(temp, 'objects');
  await mkdir(join(objects, 'x-AuditLog'), { recursive: true });
  const ledger = new Ledger(owner, objects, 200);
  const log = 'acme~0~1';
  await append(writer, log, 0, [
    record(log, 0),
    record(log, 1, { phase: 'intent' }),
    record(log, 2, { count: 3 }),
  ]);
  expect(await ledger.settle(4)).toBeUndefined();
  expect(await ledger.settle(1)).toBe('5 requests were answered, and the log knows of 4');
  await append(writer, log, 3, [record(log, 3)]);
  expect(await ledger.settle(0)).toBe('4 requests were answered, and the log knows of 5');
  const store = new DatabaseSync(join(objects, 'x-AuditLog', '1.sqlite'));
  store.exec('CREATE TABLE counter (count INTEGER); INSERT INTO counter VALUES (4), (2)');
  store.close();
  expect(await ledger.settle(6, true)).toBeUndefined();
  // Postgres alone does not have them yet.
  expect(await ledger.settleAll(200)).toBe('11 requests were answered, and the log knows of 5');
});
