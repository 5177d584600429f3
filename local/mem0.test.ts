import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Mem0, startMem0 } from './mem0.ts';

let dir: string;
let mem0: Mem0;
const log: string[] = [];
const start = () => startMem0({ dir, apiKey: 'the-key', log: (line) => log.push(line) });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-mem0-'));
  mem0 = await start();
});
afterAll(async () => {
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

type Body = { [key: string]: never } & { results: { [key: string]: unknown }[] };
async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: object = { 'x-api-key': 'the-key' },
) {
  const response = await fetch(mem0.url + path, {
    method,
    headers: { ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}
async function add(owner: object, text: string, more: object = {}): Promise<string> {
  const body = { messages: [{ role: 'user', content: text }], infer: false, ...owner, ...more };
  const answer = await call('POST', '/memories', body);
  expect(answer.status).toBe(200);
  return answer.body.results[0]?.id as string;
}
const texts = (answer: { body: Body }) => answer.body.results.map(({ memory }) => memory).sort();
const NOWHERE = '6b5e4b44-9c55-4c59-a1b6-2f6d0c4a9f3e';

beforeEach(() => call('POST', '/reset'));

describe('keys', () => {
  test.each([
    ['no key', {}],
    ['a wrong key', { 'x-api-key': 'the-kez' }],
    ['a key of another length', { 'x-api-key': 'the' }],
    ['a Bearer token beside the right key', { 'x-api-key': 'the-key', authorization: 'Bearer x.y.z' }],
    ['the key as a Bearer token', { authorization: 'Bearer the-key' }],
  ])('%s is 401', async (_, headers) => {
    const answer = await call('GET', '/memories', undefined, headers);
    expect(answer.status).toBe(401);
    expect(answer.body.detail).toEqual(expect.any(String));
  });

  test('before the route is looked up', async () => {
    expect((await call('GET', '/nowhere', undefined, {})).status).toBe(401);
  });
});

describe('a memory', () => {
  test('is added without inference, found, read, changed and deleted, and its history outlives it', async () => {
    const body = {
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'I drink green tea.' },
        { role: 'assistant', content: 'Noted: green tea.' },
      ],
      user_id: 'alice',
      agent_id: 'bot',
      metadata: { topic: 'drinks' },
      infer: false,
      unknown: 'dropped',
    };
    const added = await call('POST', '/memories', body);
    expect(added.body.results).toEqual([
      { id: expect.any(String), memory: 'I drink green tea.', event: 'ADD', actor_id: null, role: 'user' },
      {
        id: expect.any(String),
        memory: 'Noted: green tea.',
        event: 'ADD',
        actor_id: null,
        role: 'assistant',
      },
    ]);
    const id = added.body.results[0]?.id as string;
    const item = (await call('GET', `/memories/${id}`)).body;
    expect(item).toEqual({
      id,
      memory: 'I drink green tea.',
      hash: expect.stringMatching(/^[0-9a-f]{32}$/),
      metadata: { topic: 'drinks' },
      score: null,
      created_at: expect.stringMatching(/^\d{4}-/),
      updated_at: expect.stringMatching(/^\d{4}-/),
      user_id: 'alice',
      agent_id: 'bot',
      role: 'user',
    });
    const found = await call('POST', '/search', {
      query: 'what does she drink',
      filters: { user_id: 'alice' },
    });
    expect(found.body.results[0]).toMatchObject({ id, user_id: 'alice', score: expect.any(Number) });

    const change = { text: 'I drink black tea.', metadata: { topic: 'tea' }, expiration_date: '2999-01-01' };
    expect((await call('PUT', `/memories/${id}`, change)).body).toEqual({ message: expect.any(String) });
    expect((await call('GET', `/memories/${id}`)).body).toMatchObject({
      memory: 'I drink black tea.',
      metadata: { topic: 'tea' },
      expiration_date: '2999-01-01',
      user_id: 'alice',
    });
    expect((await call('DELETE', `/memories/${id}`)).body).toEqual({ message: expect.any(String) });
    expect(await call('GET', `/memories/${id}`)).toEqual({ status: 200, body: null });

    const history = (await call('GET', `/memories/${id}/history`)).body as unknown as object[];
    const step = { memory_id: id, actor_id: null, role: null, id: expect.any(String) };
    expect(history).toMatchObject([
      { ...step, event: 'ADD', old_memory: null, new_memory: 'I drink green tea.', is_deleted: false },
      { ...step, event: 'UPDATE', old_memory: 'I drink green tea.', new_memory: 'I drink black tea.' },
      { ...step, event: 'DELETE', old_memory: 'I drink black tea.', new_memory: null, is_deleted: true },
    ]);
  });

  test('is inferred from what the user states, by the stand-in for a language model', async () => {
    const messages = [
      { role: 'user', content: 'My sister lives in Oslo. Where do you live?\nI play chess on Mondays' },
      { role: 'assistant', content: 'I live in a data centre far away.' },
    ];
    const added = await call('POST', '/memories', { messages, user_id: 'alice' });
    expect(added.body.results).toMatchObject([
      { memory: 'My sister lives in Oslo.', event: 'ADD' },
      { memory: 'I play chess on Mondays', event: 'ADD' },
    ]);
    const again = await call('POST', '/memories', { messages, user_id: 'alice' });
    expect(again.body).toEqual({ results: [] });
    expect(texts(await call('GET', '/memories?user_id=alice'))).toHaveLength(2);
  });

  test('is the right one of many', async () => {
    for (const text of ['The dog is called Rex.', 'We hike in the Alps.', 'Rent is due in May.'])
      await add({ user_id: 'alice' }, text);
    const first = async (query: string) =>
      (await call('POST', '/search', { query, filters: { user_id: 'alice' } })).body.results[0]?.memory;
    expect(await first('what is the name of the dog')).toBe('The dog is called Rex.');
    expect(await first('hiking')).toBe('We hike in the Alps.');
    expect(await first('when must the rent be paid')).toBe('Rent is due in May.');
  });

  test('survives a crash of the process, with its history', async () => {
    const id = await add({ user_id: 'alice' }, 'kept');
    await mem0.kill();
    mem0 = await start();
    expect((await call('GET', `/memories/${id}`)).body).toMatchObject({ memory: 'kept', user_id: 'alice' });
    expect((await call('GET', `/memories/${id}/history`)).body).toHaveLength(1);
  });

  test('no text of one is written to the process’s output', async () => {
    await add({ user_id: 'alice' }, 'marmalade');
    await call('POST', '/search', { query: 'marmalade', filters: { user_id: 'alice' } });
    expect(log.join('\n')).not.toContain('marmalade');
  });
});

describe('statuses', () => {
  test.each<[string, string, string, unknown, number]>([
    ['a missing memory to change', 'PUT', `/memories/${NOWHERE}`, { text: 'x' }, 404],
    ['a missing memory to delete', 'DELETE', `/memories/${NOWHERE}`, undefined, 404],
    ['an id that is no UUID', 'GET', '/memories/abc', undefined, 502],
    ['an id that is no UUID, to change', 'PUT', '/memories/abc', { text: 'x' }, 502],
    ['an id that is no UUID, to delete', 'DELETE', '/memories/abc', undefined, 502],
    ['an unknown type of memory', 'POST', '/memories', { messages: [], user_id: 'a', memory_type: 'x' }, 400],
    ['an add without ids', 'POST', '/memories', { messages: [] }, 400],
    [
      'an id with inner white space',
      'POST',
      '/memories',
      { messages: [{ role: 'user', content: 'x' }], user_id: 'a b' },
      400,
    ],
    ['a blank id', 'GET', '/memories?user_id=%20', undefined, 400],
    ['a search without ids', 'POST', '/search', { query: 'x' }, 400],
    ['a delete without ids', 'DELETE', '/memories', undefined, 400],
    ['a change of nothing', 'PUT', `/memories/${NOWHERE}`, {}, 404],
    [
      'a threshold out of range',
      'POST',
      '/search',
      { query: 'x', filters: { user_id: 'a' }, threshold: 2 },
      400,
    ],
    ['an id of another type', 'POST', '/memories', { messages: [], user_id: 1 }, 422],
    ['a body without messages', 'POST', '/memories', { user_id: 'a' }, 422],
    ['a body that is no JSON', 'POST', '/memories', '{', 422],
    ['top_k out of range', 'GET', '/memories?user_id=a&top_k=1001', undefined, 422],
    ['a trailing slash', 'GET', '/memories/', undefined, 404],
    ['an unknown path', 'GET', '/v1/memories', undefined, 404],
    ['another method', 'PATCH', '/memories', undefined, 405],
  ])('%s', async (_, method, path, body, status) => {
    const answer = await call(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ detail: expect.anything() });
  });

  test('a missing memory is null, its history empty, and so is that of an id that is no UUID', async () => {
    expect(await call('GET', `/memories/${NOWHERE}`)).toEqual({ status: 200, body: null });
    expect(await call('GET', `/memories/${NOWHERE}/history`)).toEqual({ status: 200, body: [] });
    expect(await call('GET', '/memories/abc/history')).toEqual({ status: 200, body: [] });
  });

  test('other spellings of a UUID are the same memory, and file its history elsewhere', async () => {
    const id = await add({ user_id: 'a' }, 'x');
    for (const spelling of [id.toUpperCase(), id.replaceAll('-', ''), `{${id}}`])
      expect((await call('GET', `/memories/${encodeURIComponent(spelling)}`)).body).toMatchObject({ id });
    expect((await call('DELETE', `/memories/${id.toUpperCase()}`)).status).toBe(200);
    expect((await call('GET', `/memories/${id}`)).body).toBeNull();
    expect((await call('GET', `/memories/${id}/history`)).body).toHaveLength(1);
    expect((await call('GET', `/memories/${id.toUpperCase()}/history`)).body).toHaveLength(1);
  });
});
