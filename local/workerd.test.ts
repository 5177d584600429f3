import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway } from './gateway.ts';
import { startedAt } from './process.ts';
import { startWorkerd } from './workerd.ts';
import { bundle } from './wrangler/bundle.ts';

/** A Worker of its own, so that what is tested here is how one is run. */
const WRANGLER_TOML = `
name = "probe"
main = "src/index.ts"
compatibility_date = "2026-10-01"
[env.dev]
name = "probe-dev"
[env.dev.vars]
KIND = "dev"
KEPT = "from the file"
[[env.dev.durable_objects.bindings]]
name = "COUNTER"
class_name = "Counter"
[[env.dev.migrations]]
tag = "v1"
new_sqlite_classes = ["Counter"]
`;
const SOURCE = `
import { DurableObject } from 'cloudflare:workers';
import wasm from './empty.wasm';
export class Counter extends DurableObject {
  next() {
    this.ctx.storage.sql.exec('create table if not exists n (v integer)');
    this.ctx.storage.sql.exec('insert into n values (1)');
    return this.ctx.storage.sql.exec('select count(*) as c from n').one().c;
  }
}
export default {
  async fetch(request: Request, env: any) {
    const path = new URL(request.url).pathname;
    if (path === '/count') return Response.json(await env.COUNTER.get(env.COUNTER.idFromName('a')).next());
    if (path === '/fetch') {
      try { return Response.json((await fetch(request.headers.get('x-to') ?? '')).status); }
      catch (error) { return Response.json('refused'); }
    }
    const { COUNTER, ...texts } = env;
    return Response.json({ url: request.url, texts, wasm: wasm instanceof WebAssembly.Module });
  },
};
`;
const EMPTY_WASM = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

let project: string;
const log = () => {};
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'mem0-governance-probe-'));
  await mkdir(join(project, 'src'));
  await writeFile(join(project, 'wrangler.toml'), WRANGLER_TOML);
  await writeFile(join(project, 'src', 'index.ts'), SOURCE);
  await writeFile(join(project, 'src', 'empty.wasm'), EMPTY_WASM);
  // What a developer may have lying about never reaches the Worker.
  await writeFile(join(project, '.dev.vars'), 'KIND=stray\nSTRAY=1\n');
  await writeFile(join(project, '.env'), 'KIND=stray\nSTRAY=1\n');
});
afterAll(() => rm(project, { recursive: true, force: true }));

const json = async (url: string, headers = {}) => (await fetch(url, { headers })).json();

/** The answer to a request whose target `fetch` would have changed. */
function raw(url: string, target: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}

const SECRETS = { KIND: 'given', SECRET: 'a\'b"c$d$HOME\\ {"x":["é\t\n"]}' };

test('workerd serves the bundle with its settings, modules and objects, and keeps the objects after a crash', async () => {
  const options = { project, env: SECRETS, persistDir: join(project, 'workerd'), log };
  const first = await startWorkerd(options);
  expect(await json(`${first.url}/x`)).toEqual({
    url: `${first.url}/x`,
    texts: { ...SECRETS, KEPT: 'from the file' },
    wasm: true,
  });
  expect(await json(`${first.url}/count`)).toBe(1);
  await first.kill();
  expect(startedAt(first.pid)).toBeUndefined();
  const second = await startWorkerd({ ...options, port: Number(new URL(first.url).port) });
  expect(second.url).toBe(first.url);
  expect(await json(`${second.url}/count`)).toBe(2);
  await second.stop();
  expect(startedAt(second.pid)).toBeUndefined();
  await expect(fetch(second.url)).rejects.toThrow();
  expect((await stat(join(project, 'workerd', 'workerd.capnp'))).mode & 0o777).toBe(0o600);
});

test('workerd passes a hostile target on as it came, and reaches this machine only', async () => {
  const workerd = await startWorkerd({ project, env: {}, persistDir: join(project, 'raw'), log });
  try {
    const answer = await raw(workerd.url, '/a/../%2e%2e//b\\c', 'any.example');
    expect(answer).toContain(JSON.stringify('http://any.example/a/../%2e%2e//b\\c').slice(1, -1));
    expect(await json(`${workerd.url}/fetch`, { 'x-to': workerd.url })).toBe(200);
    expect(await json(`${workerd.url}/fetch`, { 'x-to': 'http://192.0.2.1/' })).toBe('refused');
  } finally {
    await workerd.stop();
  }
});

test('workerd on a taken port is an error, and nothing keeps running', async () => {
  const options = { project, env: {}, log };
  const first = await startWorkerd({ ...options, persistDir: join(project, 'one') });
  try {
    const port = Number(new URL(first.url).port);
    await expect(startWorkerd({ ...options, port, persistDir: join(project, 'two') })).rejects.toThrow(
      `port ${port} is taken`,
    );
  } finally {
    await first.stop();
  }
});

test('several that ask at once get one bundle; a changed source gets another', async () => {
  await rm(join(project, '.local', 'bundle'), { recursive: true, force: true });
  const bundles = await Promise.all([bundle(project), bundle(project), bundle(project)]);
  expect(new Set(bundles.map(({ dir }) => dir)).size).toBe(1);
  expect(await readdir(join(project, '.local', 'bundle'))).toHaveLength(1);
  await writeFile(join(project, 'src', 'index.ts'), `${SOURCE}\nexport const more = 1;\n`);
  expect((await bundle(project)).dir).not.toBe(bundles[0]?.dir);
  await writeFile(join(project, 'src', 'index.ts'), 'this is no source');
  await expect(bundle(project)).rejects.toThrow(/does not build/);
  await writeFile(join(project, 'src', 'index.ts'), SOURCE);
});

test('wrangler dev serves the sources with the same settings, keeps the objects, and leaves no process', async () => {
  const env = { KIND: 'given', SECRET: 'a"c$d$HOME {"x":["é"]}' };
  const lines: string[] = [];
  const options = {
    project,
    env,
    persistDir: join(project, 'gateway'),
    log: (line: string) => lines.push(line),
  };
  const first = await startGateway(options);
  expect(await json(`${first.url}/x`)).toMatchObject({
    texts: { ...env, KEPT: 'from the file' },
    wasm: true,
  });
  expect(await json(`${first.url}/count`)).toBe(1);
  await first.kill();
  const second = await startGateway(options);
  expect(await json(`${second.url}/count`)).toBe(2);
  await second.stop();
  expect(startedAt(second.pid)).toBeUndefined();
  await expect(fetch(second.url)).rejects.toThrow();
  expect(lines.join('\n')).toContain('Ready on');
  expect(lines.join('\n')).not.toMatch(/\/x|\/count/);
  expect(lines.join('\n')).not.toContain(env.SECRET);
  expect((await stat(join(project, 'gateway', 'settings.env'))).mode & 0o777).toBe(0o600);
});

test('a gateway whose sources do not build is an error, and nothing keeps running', async () => {
  const broken = join(project, 'broken');
  await mkdir(join(broken, 'src'), { recursive: true });
  await writeFile(join(broken, 'wrangler.toml'), WRANGLER_TOML);
  await writeFile(join(broken, 'src', 'index.ts'), 'this is no source');
  await expect(
    startGateway({ project: broken, env: {}, persistDir: join(project, 'b'), log, timeoutMs: 5000 }),
  ).rejects.toThrow(/^The gateway /);
});
