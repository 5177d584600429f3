import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Mem0, startMem0 } from './mem0.ts';

/** What makes a gateway necessary must be real here: each of these crosses from one user to another. */

let dir: string;
let mem0: Mem0;
let ids: { a: string; b: string };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-danger-'));
  mem0 = await startMem0({ dir, log: () => {} });
});
afterAll(async () => {
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  await call('POST', '/reset');
  ids = { a: await add({ user_id: 'a', agent_id: 'bot' }), b: await add({ user_id: 'b', agent_id: 'bot' }) };
});

async function call(method: string, path: string, body?: object) {
  const response = await fetch(mem0.url + path, {
    method,
    headers: { 'x-api-key': mem0.apiKey },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
async function add(owner: { user_id: string; agent_id?: string }, metadata: object = {}): Promise<string> {
  const messages = [{ role: 'user', content: `the secret of ${owner.user_id}` }];
  return (await call('POST', '/memories', { messages, ...owner, metadata, infer: false })).body.results[0].id;
}
const owners = (body: { results: { user_id: string }[] }) =>
  body.results.map(({ user_id }) => user_id).sort();
const search = (filters: object, more: object = {}) =>
  call('POST', '/search', { query: 'the secret', filters, ...more }).then(({ body }) => owners(body));

test('a filter keeps to its user', async () => {
  expect(await search({ user_id: 'a' })).toEqual(['a']);
  expect(owners((await call('GET', '/memories?user_id=a')).body)).toEqual(['a']);
});

test.each([
  '/memories',
  '/memories?userId=a',
  '/memories?user_id=',
  '/memories?User_Id=a&app_id=x',
  '/%6demories',
])('GET %s is a dump of everybody', async (path) => {
  expect(owners((await call('GET', path)).body)).toEqual(['a', 'b']);
});

test('of a key given twice the last counts', async () => {
  expect(owners((await call('GET', '/memories?user_id=a&user_id=b')).body)).toEqual(['b']);
});

test.each([
  { user_id: '*' },
  { user_id: '\u00a0*\u3000' },
  { agent_id: 'bot' },
  { user_id: 'a', AND: [{ user_id: '*' }] },
  { user_id: 'a', AND: [{ user_id: { ne: 'zz' } }] },
  { user_id: '*', OR: [{ user_id: 'a' }, { user_id: 'b' }] },
])('a search with %j finds everybody’s', async (filters) => {
  expect(await search(filters)).toEqual(['a', 'b']);
});

test('a child of AND replaces the user, and key order decides', async () => {
  expect(await search({ user_id: 'a', AND: [{ user_id: 'b' }] })).toEqual(['b']);
  expect(await search({ AND: [{ user_id: 'b' }], user_id: 'a' })).toEqual(['a']);
});

test('a deprecated id at the top level overrules the filters', async () => {
  expect(await search({ user_id: 'a' }, { user_id: 'b' })).toEqual(['b']);
});

test('a namespaced wildcard matches literally', async () => {
  expect(await search({ user_id: 'tenant:*' })).toEqual([]);
});

test('booleans and numbers as ids are spelt as Python spells them', async () => {
  await add({ user_id: 'True' });
  await add({ user_id: '42' });
  expect(await search({ user_id: true })).toEqual(['True']);
  expect(await search({ user_id: 42 })).toEqual(['42']);
});

test('any id is read, changed and deleted by whoever names it', async () => {
  expect((await call('GET', `/memories/${ids.b}`)).body.user_id).toBe('b');
  expect((await call('PUT', `/memories/${ids.b}`, { text: 'changed' })).status).toBe(200);
  expect((await call('DELETE', `/memories/${ids.b}`)).status).toBe(200);
});

test.each(['/memories?user_id=*', '/entities/user/%2A', '/entities/agent/bot'])(
  'DELETE %s deletes everybody’s',
  async (path) => {
    expect((await call('DELETE', path)).status).toBe(200);
    expect((await call('GET', '/memories')).body).toEqual({ results: [] });
  },
);

test('entities are global', async () => {
  const { body } = await call('GET', '/entities');
  expect(body).toContainEqual({
    id: 'b',
    type: 'user',
    total_memories: 1,
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  expect(body).toHaveLength(3);
});

test('an escaped slash is a slash', async () => {
  const { body } = await call('GET', `/memories/${ids.a}%2Fhistory`);
  expect(body).toMatchObject([{ memory_id: ids.a, event: 'ADD' }]);
});

test('metadata that shadows a member forges it', async () => {
  const id = await add({ user_id: 'a' }, { created_at: '1999-01-01', role: 'admin', hash: 'h' });
  expect((await call('GET', `/memories/${id}`)).body.created_at).toBe('1999-01-01');
});

test('a poison row spoils every answer that holds it', async () => {
  const id = await add({ user_id: 'a' }, { created_at: 7 });
  expect((await call('GET', `/memories/${id}`)).status).toBe(502);
  expect((await call('GET', '/memories?user_id=a')).status).toBe(502);
  expect((await call('POST', '/search', { query: 'secret', filters: { user_id: 'a' } })).status).toBe(502);
  expect((await call('GET', '/memories?user_id=b')).status).toBe(200);
});

test('reset wipes everybody’s memories', async () => {
  expect((await call('POST', '/reset')).status).toBe(200);
  expect((await call('GET', '/memories')).body).toEqual({ results: [] });
});

test('configure sends everybody’s prompts and the provider’s key elsewhere', async () => {
  const seen: { key: string | undefined; body: string }[] = [];
  const elsewhere = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ key: request.headers.authorization, body });
    response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: '{"memory":[]}' } }] }));
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  const { port } = elsewhere.address() as AddressInfo;
  const before = (await call('GET', '/configure')).body.llm.config.openai_base_url;
  const point = (to: string) => call('POST', '/configure', { llm: { config: { openai_base_url: to } } });
  try {
    expect((await point(`http://127.0.0.1:${port}/v1`)).status).toBe(200);
    await call('POST', '/memories', {
      messages: [{ role: 'user', content: 'my pin is 1234' }],
      user_id: 'b',
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.body).toContain('my pin is 1234');
    expect(seen[0]?.key).toMatch(/^Bearer /);
  } finally {
    await point(before);
    elsewhere.closeAllConnections();
    elsewhere.close();
  }
});

test('the log of requests is everybody’s', async () => {
  const { body } = await call('GET', '/requests?limit=1');
  expect(body).toMatchObject([{ method: 'POST', path: '/memories', status_code: 200 }]);
});
