import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { rawRequest, rawText } from '../fakes/raw.ts';

/**
 * The check of the target inside the real runtime, behind a real socket: what `request.url` holds there is
 * the ground that the check stands on. Bare workerd, because the proxies of `wrangler dev` parse URLs first.
 */
const WORKER = `
import { parseTarget } from './target.ts';
export default {
  fetch: (request) => Response.json(parseTarget(request.url, request.headers.get('host'))),
};`;

let dir: string;
let port: number;
let workerd: ChildProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-target-'));
  await writeFile(join(dir, 'worker.js'), WORKER);
  const modules = ['target.ts', 'host.ts', 'ip.ts'];
  for (const name of modules) {
    const source = await readFile(join(import.meta.dirname, '../../worker/http', name), 'utf8');
    await writeFile(join(dir, name), stripTypeScriptTypes(source));
  }
  port = await freePort();
  const embedded = modules.map((name) => `(name = "${name}", esModule = embed "${name}")`);
  await writeFile(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), ${embedded.join(', ')}],
  compatibilityDate = "2026-01-01",
);`,
  );
  // The binary that miniflare, and with it every other test in workerd, runs.
  const require = createRequire(createRequire(import.meta.url).resolve('miniflare'));
  const { default: binary } = require('workerd') as { default: string };
  workerd = spawn(binary, ['serve', join(dir, 'config.capnp')], { stdio: 'inherit' });
  await listening();
});

afterAll(async () => {
  workerd?.kill();
  await rm(dir, { recursive: true, force: true });
});

async function listening(): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answered = await rawRequest(port, rawText('GET', '/', [['Host', 'x']])).catch(() => undefined);
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('workerd did not start');
}

/** What the Worker made of the request, or the status with which the runtime refused it before. */
async function verdict(target: string, host: string): Promise<unknown> {
  const answer = await rawRequest(port, rawText('GET', target, [['Host', host]]));
  if (answer.status !== 200) return answer.status;
  const parsed = JSON.parse(answer.body);
  return parsed.ok ? { path: parsed.path, query: parsed.query } : parsed.reason;
}

describe('request targets over a raw socket', () => {
  it.each<[target: string, expected: unknown]>([
    ['/', { path: '/', query: '' }],
    ['/memories?user_id=a', { path: '/memories', query: 'user_id=a' }],
    ['/entities/user/caf%C3%A9%20x/', { path: '/entities/user/caf%C3%A9%20x/', query: '' }],
    ['/a/../b', 'dot_segment'],
    ['/a/%2e%2e/b', 'dot_segment'],
    ['/a/.%2E/b', 'dot_segment'],
    ['/a/%252e%252e/b', 'nested_escape'],
    ['/a/%c0%ae%c0%ae/b', 'invalid_utf8'],
    ['/a\\..\\b', 'backslash'],
    ['/a%5c..%5cb', 'encoded_separator'],
    ['/a%2f..%2fb', 'encoded_separator'],
    ['/a;x/b', 'path_parameter'],
    ['//a', 'empty_segment'],
    ['/a//b', 'empty_segment'],
    ['/a%00', 'control_character'],
    ['/caf\xc3\xa9', 'non_ascii'],
    ['/a?b=\xc3\xa9', 'non_ascii'],
    ['/a%zz', 'malformed_escape'],
    ['*', 'target_form'],
    [`/${'a'.repeat(9000)}`, 'target_too_long'],
    // The runtime cuts a fragment off, and reads of an absolute form only path and query.
    ['/a?b#c', { path: '/a', query: 'b' }],
    ['http://evil.example/a?b', { path: '/a', query: 'b' }],
    ['http://evil.example/../a', 'dot_segment'],
    // And refuses these itself.
    ['/a\x01b', 400],
    ['/a\tb', 400],
    ['/a?b=\xff', 400],
    ['/a\x7fb', 400],
    ['http:/a', 400],
    ['?a', 400],
  ])('%j', async (target, expected) => {
    expect(await verdict(target, 'gateway.example:9000')).toEqual(expected);
  });

  it.each<[host: string, expected: unknown]>([
    ['GATEWAY.example', { path: '/memories', query: '' }],
    ['[::1]:9000', { path: '/memories', query: '' }],
    ['a/b', 'host_malformed'],
    ['a/health?', 'host_malformed'],
    ['a/health#', 'host_malformed'],
    ['user@a', 'host_malformed'],
    ['a\\b', 'host_malformed'],
    ['a b', 'host_malformed'],
    ['a, b', 'host_malformed'],
    ['\xe2\x84\xaa.example', 'host_malformed'],
    ['', 400],
  ])('Host %j', async (host, expected) => {
    expect(await verdict('/memories', host)).toEqual(expected);
  });

  it('two Hosts are none', async () => {
    const two = rawText('GET', '/a', [
      ['Host', 'a'],
      ['Host', 'b'],
    ]);
    expect((await rawRequest(port, two)).body).toBe('{"ok":false,"reason":"host_malformed"}');
    expect((await rawRequest(port, rawText('GET', '/a', []))).status).toBe(400);
  });
});
