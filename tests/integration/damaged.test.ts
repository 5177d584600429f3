import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// A memory that Mem0 cannot read, written past the gateway into the scope of one user.

let dir: string;
let mem0: Mem0;
let rig: Rig;
let admin: string;
let whole: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-damaged-'));
  mem0 = await startMem0({ dir, log: () => undefined });
  rig = await startRig({ mem0 });
  admin = await rig.token('acme', 'admin');
  const add = (user: string) =>
    rig.call('POST', '/memories', admin, {
      messages: [{ role: 'user', content: 'tea' }],
      ...{ user_id: user, infer: false },
    });
  whole = (await add('bob')).json.results[0].id;
  await add('eve');
  const past = await fetch(`${mem0.url}/memories`, {
    method: 'POST',
    headers: { 'x-api-key': mem0.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ user_id: 'acme:bob', infer: false, metadata: { created_at: 7 } },
      messages: [{ role: 'user', content: 'damaged' }],
    }),
  });
  expect(past.status).toBe(200);
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

it.each([
  ['GET', '/memories?user_id=bob', undefined],
  ['POST', '/search', { query: 'damaged', filters: { user_id: 'bob' } }],
  ['POST', '/v3/memories/', { filters: { user_id: 'bob' } }],
  ['DELETE', '/memories?user_id=bob', undefined],
])('%s %s fails with a word on how to mend it, and does nothing', async (method, path, body) => {
  const answer = await rig.call(method, path, admin, body);
  expect(answer.status).toBe(502);
  expect(answer.json).toMatchObject({ code: 'upstream_failed', detail: expect.stringContaining('damaged') });
  expect((await rig.call('GET', `/memories/${whole}`, admin)).status).toBe(200);
});

it('spoils nothing of another user or tenant, and nothing by id', async () => {
  expect((await rig.call('GET', '/memories?user_id=eve', admin)).json.results).toHaveLength(1);
  expect((await rig.call('GET', '/memories?user_id=bob', await rig.token('globex', 'admin'))).status).toBe(
    200,
  );
  expect((await rig.call('PUT', `/memories/${whole}`, admin, { text: 'coffee' })).status).toBe(200);
});

it('cannot be made through the gateway', async () => {
  for (const key of ['created_at', 'updated_at', 'hash', 'createdAt', 'data', 'role', 'user_id']) {
    const body = { messages: [{ role: 'user', content: 'x' }], user_id: 'bob', infer: false };
    const added = await rig.call('POST', '/memories', admin, { ...body, metadata: { [key]: 7 } });
    expect([key, added.status]).toEqual([key, 400]);
    const updated = await rig.call('PUT', `/memories/${whole}`, admin, { metadata: { [key]: 7 } });
    expect([key, updated.status]).toEqual([key, 400]);
  }
});
