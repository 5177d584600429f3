import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { runCommand } from './doctor-rig.ts';
import { startRig } from './rig.ts';

const COMMAND = fileURLToPath(new URL('../../scripts/run.cjs', import.meta.url));

let dir: string;
let mem0: Mem0;
let tests = 0;
let journal: string;
let map: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-adopt-'));
  mem0 = await startMem0({ dir: join(dir, 'mem0'), log: () => undefined });
});
beforeEach(async () => {
  await ask('POST', '/reset');
  journal = join(dir, `journal-${++tests}`);
  map = join(dir, 'map.json');
  await writeFile(map, JSON.stringify(MAPPING));
});
afterAll(async () => {
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

const MAPPING = { user_id: { alice: 'acme', 'a/b:c%': 'acme', '*': 'globex' }, agent_id: { bot: 'acme' } };

// biome-ignore lint/suspicious/noExplicitAny: what came back is what a test is about
async function ask(method: string, path: string, body?: object): Promise<any> {
  const response = await fetch(`${mem0.url}${path}`, {
    method,
    headers: { 'x-api-key': mem0.apiKey, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return response.json();
}

async function put(ids: object, content: string, more: object = {}): Promise<string> {
  const messages = [{ role: 'user', content }];
  return (await ask('POST', '/memories', { ...ids, ...more, messages, infer: false })).results[0].id;
}

const args = (...more: string[]) => ['--map', map, '--journal', journal, ...more];
const run = (more: readonly string[], origin = mem0.url) =>
  runCommand('adopt', ['--origin', origin, ...args(...more)], { env: { MEM0_API_KEY: mem0.apiKey } });

type Told = { user_id?: string; agent_id?: string; run_id?: string; memory: string; metadata?: object };
const rows = async (query = ''): Promise<Told[]> =>
  (await ask('GET', `/memories?top_k=1000${query}`)).results;
const told = (all: readonly Told[]) => all.map(({ memory }) => memory).sort();

async function seed(): Promise<void> {
  await put({ user_id: 'alice' }, 'likes tea', { metadata: { city: 'Bern', tags: ['a', 'b'] } });
  await put({ user_id: 'alice', agent_id: 'bot', run_id: 'r1' }, 'said by a bot');
  await put({ user_id: 'a/b:c%' }, 'awkward', { expiration_date: '2030-01-02' });
  await put({ user_id: 'carol' }, 'likes tea');
  await put({ user_id: 'carol' }, 'likes tea');
}

describe('a plan', () => {
  it('says what would be moved and what is not kept, and does nothing', async () => {
    await seed();
    const { code, stdout, stderr } = await run([]);
    expect(code).toBe(0);
    expect(stdout).toContain('acme: 3 memories to move\nglobex: 2 memories to move\n');
    expect(stdout).toContain('Not kept: memory ids, created_at');
    expect(stderr).toContain('add --apply');
    expect(new Set((await rows()).map(({ user_id }) => user_id))).toEqual(
      new Set(['alice', 'a/b:c%', 'carol']),
    );
    await expect(stat(journal)).rejects.toThrow();
  });

  it('names every memory without a tenant, and nothing is done with any', async () => {
    await seed();
    const stuck = await put({ run_id: 'alone' }, 'whose?');
    const conflict = await put({ user_id: 'carol', agent_id: 'bot' }, 'of two');
    const { code, stdout, stderr } = await run(['--apply', '--yes']);
    expect(code).toBe(1);
    expect(stdout).toContain(`memory ${stuck} has an id that the mapping does not name: run_id "alone"`);
    expect(stdout).toContain(
      `memory ${conflict} has ids of several tenants: user_id "carol", agent_id "bot"`,
    );
    expect(stderr).toContain('Nothing was done');
    expect(stdout).toContain('2 cannot be moved, so nothing would be.');
    expect(await rows('&user_id=alice')).toHaveLength(2);
    const json = await run(['--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      moving: { acme: 3, globex: 2 },
      stuck: expect.arrayContaining([
        expect.objectContaining({ id: stuck, why: 'unmapped' }),
        expect.objectContaining({ id: conflict, why: 'conflict' }),
      ]),
    });
  });

  it.each([
    [['--origin', 'http://mem0.example.com'], 'not https'],
    [['--origin', 'mem0'], 'scheme, host and port'],
    [[], '--origin is'],
  ])('is refused for %j', async (more, message) => {
    const ran = await runCommand('adopt', [...args(), ...more], { env: { MEM0_API_KEY: 'hunter2' } });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(message);
    expect(ran.stdout + ran.stderr).not.toContain('hunter2');
  });
});

describe('a move', () => {
  it('puts each memory where the gateway gives it to its tenant, and to nobody else', async () => {
    await seed();
    const { code, stdout } = await run(['--apply', '--yes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/acme: 3 memories moved, texts [0-9a-f]{64}\nglobex: 2 memories moved, texts/);
    const rig = await startRig({ mem0: { url: mem0.url, apiKey: mem0.apiKey } });
    try {
      const list = async (tenant: string, query: string): Promise<Told[]> =>
        (await rig.call('GET', `/memories?${query}`, await rig.token(tenant, 'admin'))).json.results;
      expect(told(await list('acme', 'user_id=alice'))).toEqual(['likes tea', 'said by a bot']);
      expect(await list('acme', 'user_id=alice&agent_id=bot&run_id=r1')).toMatchObject([
        { user_id: 'alice', agent_id: 'bot', run_id: 'r1', memory: 'said by a bot' },
      ]);
      const [tea] = (await list('acme', 'user_id=alice')).filter(({ memory }) => memory === 'likes tea');
      expect(tea?.metadata).toMatchObject({ city: 'Bern', tags: ['a', 'b'] });
      expect(await list('acme', `user_id=${encodeURIComponent('a/b:c%')}`)).toMatchObject([
        { memory: 'awkward', expiration_date: '2030-01-02' },
      ]);
      expect(told(await list('globex', 'user_id=carol'))).toEqual(['likes tea', 'likes tea']);
      expect(await list('globex', 'user_id=alice')).toEqual([]);
      expect(await list('acme', 'user_id=carol')).toEqual([]);
    } finally {
      await rig.stop();
    }
    expect(await rows('&user_id=alice')).toEqual([]);
    expect(await readFile(journal, 'utf8')).not.toContain('tea');
    expect((await stat(journal)).mode & 0o777).toBe(0o600);
    const again = await run(['--apply', '--yes', '--json']);
    expect(JSON.parse(again.stdout).tenants).toMatchObject([
      { tenant: 'acme', memories: 3 },
      { tenant: 'globex', memories: 2 },
    ]);
    expect(await rows()).toHaveLength(5);
  });

  it('goes on in rounds where a list is full', async () => {
    const seeds = Array.from({ length: 1150 }, (_, n) =>
      put({ user_id: n < 1100 ? 'carol' : `u${n}` }, `memory ${n}`),
    );
    await Promise.all(seeds);
    const { code, stdout } = await run(['--apply', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).tenants).toMatchObject([{ tenant: 'globex', memories: 1150 }]);
    for (const user of ['carol', 'u1120']) expect(await rows(`&user_id=${user}`)).toEqual([]);
    expect(await rows('&user_id=globex:u1120')).toHaveLength(1);
  }, 240_000);

  it('that is killed again and again ends with each memory once', async () => {
    const texts = Array.from({ length: 60 }, (_, n) => `memory ${n % 20}`);
    for (const text of texts) await put({ user_id: 'alice' }, text, { metadata: { n: text.length } });
    let kills = 0;
    for (;;) {
      const child = spawn(
        process.execPath,
        [COMMAND, 'adopt', '--origin', mem0.url, ...args('--apply', '--yes')],
        {
          env: { ...process.env, MEM0_API_KEY: mem0.apiKey },
          stdio: 'ignore',
        },
      );
      const timer = setTimeout(() => child.kill('SIGKILL'), 300 + kills * 20 + Math.random() * 150);
      const [code, signal] = await once(child, 'exit');
      clearTimeout(timer);
      if (signal === 'SIGKILL') kills++;
      else {
        expect(code).toBe(0);
        break;
      }
      expect(kills).toBeLessThan(100);
    }
    expect(kills).toBeGreaterThan(0);
    expect(told(await rows())).toEqual([...texts].sort());
    expect(new Set((await rows()).map(({ user_id }) => user_id))).toEqual(new Set(['acme:alice']));
  }, 240_000);

  it('whose answer was lost adds nothing twice, and what is not the same is not removed', async () => {
    await seed();
    let calls = 0;
    let spoil: 'lose' | 'change' = 'lose';
    let kept = '';
    const proxy: Server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await fetch(`${mem0.url}${request.url}`, {
        method: request.method!,
        headers: { 'x-api-key': mem0.apiKey, 'content-type': 'application/json' },
        ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      });
      let text = await answer.text();
      if (request.method === 'POST' && ++calls === 2 && spoil === 'lose') return void response.destroy();
      const copied = /^\/memories\/(.+)/.exec(request.url!)?.[1];
      if (spoil === 'change' && copied && copied !== kept) text = text.replace('tea', 'TEA');
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      expect((await run(['--apply', '--yes'], origin)).code).toBe(1);
      expect((await run(['--apply', '--yes'], origin)).code).toBe(0);
      expect(await rows()).toHaveLength(5);
      kept = await put({ user_id: 'carol' }, 'more tea');
      spoil = 'change';
      const changed = await run(['--apply', '--yes'], origin);
      expect(changed.stderr).toMatch(
        /Memory \S+: It was added again as \S+, which is not the same. The copy was taken back/,
      );
      expect(await rows()).toHaveLength(6);
      expect((await ask('GET', `/memories/${kept}`)).memory).toBe('more tea');
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it('is one at a time', async () => {
    await seed();
    await writeFile(`${journal}.lock`, String(process.pid));
    const { code, stderr } = await run(['--apply', '--yes']);
    expect(code).toBe(1);
    expect(stderr).toContain(`Another run (process ${process.pid}) holds`);
    expect(await rows('&user_id=alice')).toHaveLength(2);
  });
});
