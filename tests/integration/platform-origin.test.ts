import MemoryClient from 'mem0ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hosted, startHosted } from '../fakes/hosted.ts';
import { type Rig, startRig } from './rig.ts';

// The hosted Platform as the origin: Mem0's official client unmodified through the gateway, and what crosses tenants
// on the bare Platform and does not behind it.

// biome-ignore lint/suspicious/noExplicitAny: the client's types promise less than its answers hold
type Loose = any;

let hosted: Hosted;
let rig: Rig;
let ours: MemoryClient;
let theirs: MemoryClient;
let token: string;
let secret: string;

const say = (content: string) => [{ role: 'user' as const, content }];
const UUID = /^[0-9a-f-]{36}$/;

async function added(client: MemoryClient, content: string, options: object): Promise<string> {
  const answer: Loose = await client.add(say(content), { infer: false, ...options } as Loose);
  return answer.results[0].id;
}

async function bare(method: string, path: string, body?: unknown): Promise<Loose> {
  const answer = await fetch(`${hosted.url}${path}`, {
    method,
    headers: { authorization: `Token ${hosted.apiKey}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return answer.json();
}

beforeAll(async () => {
  hosted = await startHosted();
  rig = await startRig({ mem0: hosted, env: { MEM0_KIND: 'platform' } });
  token = await rig.token('acme', 'admin');
  ours = new MemoryClient({ apiKey: token, host: rig.url });
  theirs = new MemoryClient({ apiKey: await rig.token('globex', 'admin'), host: rig.url });
  secret = await added(theirs, 'globex merges in May', { userId: 'bob', metadata: { kind: 'plan' } });
});

afterAll(async () => {
  await rig?.stop();
  await hosted?.stop();
});

describe('the official JavaScript client on a Platform origin', () => {
  it('pings, and learns nothing of the operator', async () => {
    await ours.ping();
    const { json } = await rig.call('GET', '/v1/ping/', token);
    expect(json).toEqual({ status: 'ok', org_id: 'governed', project_id: 'acme' });
  });

  it('adds, gets, searches, lists, updates, rates, reads the history, and deletes', async () => {
    const id = await added(ours, 'likes oolong', {
      userId: 'bob',
      appId: 'chat',
      metadata: { kind: 'taste' },
    });
    expect(hosted.memories().find((row) => row.id === id)).toMatchObject({
      user_id: 'acme:bob',
      app_id: 'acme:chat',
    });
    const got: Loose = await ours.get(id);
    expect(got).toMatchObject({
      id,
      memory: 'likes oolong',
      userId: 'bob',
      appId: 'chat',
      categories: ['misc'],
    });
    expect(got).not.toHaveProperty('organization');
    const filters = { OR: [{ user_id: 'bob' }, { app_id: 'chat' }] };
    const hits: Loose = await ours.search('oolong', { filters });
    expect(hits.results.map((row: Loose) => row.id)).toEqual([id]);
    const page: Loose = await ours.getAll({
      filters: { AND: [{ user_id: 'bob' }, { categories: { in: ['misc'] } }] },
    });
    expect(page).toMatchObject({ count: 1, next: null, results: [{ id, userId: 'bob' }] });
    expect(await ours.update(id, { text: 'likes sencha' })).toMatchObject({
      id,
      memory: 'likes sencha',
      userId: 'bob',
    });
    expect(await ours.feedback({ memoryId: id, feedback: 'POSITIVE' } as Loose)).toEqual({
      feedback: 'POSITIVE',
    });
    const history: Loose = await ours.history(id);
    expect(history.map((row: Loose) => [row.event, row.userId])).toEqual([
      ['ADD', 'bob'],
      ['UPDATE', 'bob'],
    ]);
    expect(await ours.delete(id)).toEqual({ message: 'Memory deleted.' });
    expect(await ours.history(id)).toHaveLength(3);
    await expect(ours.get(id)).rejects.toMatchObject({ name: 'MemoryNotFoundError' });
  });

  it('names an event that says what became of an addition, with ids and no text', async () => {
    const answer: Loose = await ours.add(say('has a cat'), { userId: 'cat' } as Loose);
    expect(answer).toMatchObject({ status: 'PENDING', eventId: expect.stringMatching(UUID) });
    expect(answer.message).not.toContain('operator');
    const event = await rig.call('GET', `/v1/event/${answer.eventId}/`, token);
    expect(event.json).toEqual({
      ...{ id: answer.eventId, event_type: 'ADD', status: 'SUCCEEDED' },
      results: [{ id: expect.stringMatching(UUID), event: 'ADD' }],
    });
    const foreign = await rig.call('GET', `/v1/event/${answer.eventId}/`, await rig.token('globex', 'admin'));
    expect(foreign.status).toBe(404);
  });

  it('pages at the gateway, gives the fields that were asked for, and deletes in batches', async () => {
    const ids: string[] = [];
    for (const n of [1, 2, 3]) ids.push(await added(ours, `fact ${n}`, { runId: 'r1' }));
    const body = { filters: { run_id: 'r1' }, fields: ['memory'], page: 1, page_size: 2 };
    const { json } = await rig.call('POST', '/v3/memories/', token, body);
    expect(json).toMatchObject({
      count: 3,
      next: `${rig.url}/v3/memories/?page=2&page_size=2`,
      previous: null,
    });
    expect(Object.keys(json.results[0]).sort()).toEqual(['id', 'memory']);
    await ours.batchUpdate(ids.map((memoryId) => ({ memoryId, text: 'new' })) as Loose);
    expect(hosted.memories().filter((row) => row.memory === 'new')).toHaveLength(3);
    await expect(ours.batchDelete([ids[0]!, secret])).rejects.toMatchObject({
      message: expect.stringContaining(secret),
    });
    expect(hosted.memories().filter((row) => row.memory === 'new')).toHaveLength(3);
    await ours.batchDelete(ids);
    expect(hosted.memories().filter((row) => row.memory === 'new')).toHaveLength(0);
  });

  it('lists and deletes the tenant’s entities alone, and deletes by ids', async () => {
    await added(ours, 'x', { userId: 'dora' });
    await added(ours, 'y', { agentId: 'helper' });
    const { results }: Loose = await ours.users();
    const names = results.map((row: Loose) => `${row.type}/${row.name}`);
    expect(names).toEqual(expect.arrayContaining(['user/dora', 'agent/helper']));
    expect(JSON.stringify(results)).not.toContain('globex');
    expect(results.filter((row: Loose) => row.name === 'bob')).toHaveLength(1);
    await ours.deleteAll({ userId: 'dora' } as Loose);
    await ours.deleteUsers({ agentId: 'helper' } as Loose);
    expect(hosted.memories().filter((row) => ['x', 'y'].includes(row.memory))).toHaveLength(0);
    expect(hosted.memories().some((row) => row.id === secret)).toBe(true);
  });

  it('summarises and exports without the tenant’s prefix, and refuses the other dialect', async () => {
    await added(ours, 'sings', { userId: 'sue' });
    const summary = await rig.call('POST', '/v1/summary/', token, { filters: { user_id: 'sue' } });
    expect(summary.json).toEqual({ summary: 'sue: sings' });
    const body = { filters: { user_id: 'sue' } };
    const { id }: Loose = await ours.createMemoryExport({ ...body, schema: { type: 'object' } } as Loose);
    expect(await ours.getMemoryExport({ memoryExportId: id } as Loose)).toMatchObject({
      memories: [{ who: 'sue', said: 'sings' }],
    });
    // By its id alone, and by nobody else: the latest one would be anybody's.
    await rig.call('POST', '/v1/exports/', await rig.token('globex', 'admin'), { ...body, schema: {} });
    expect((await rig.call('POST', '/v1/exports/get/', token, body)).status).toBe(400);
    const named = { memory_export_id: id };
    expect(
      (await rig.call('POST', '/v1/exports/get/', await rig.token('globex', 'admin'), named)).status,
    ).toBe(404);
    expect(
      (await rig.call('POST', '/search', token, { query: 'x', filters: { user_id: 'sue' } })).status,
    ).toBe(501);
  });
});

describe('what crosses tenants on the bare Platform', () => {
  const listing = (filters: object) => ['POST', '/v3/memories/', { filters }] as const;
  const ESCAPES: readonly (readonly [string, readonly [string, string, object?], number])[] = [
    ['an OR of everybody', listing({ OR: [{ user_id: 'bob' }, { user_id: '*' }] }), 400],
    ['an OR that is dropped', listing({ AND: [{ NOT: [{ text: 'x' }] }], OR: [{ user_id: 'bob' }] }), 400],
    ['a negated id', listing({ NOT: [{ user_id: 'bob2' }] }), 400],
    ['an id with ne', listing({ user_id: { ne: 'x' } }), 400],
    ['metadata alone', listing({ metadata: { kind: 'plan' } }), 400],
    ['an unbound branch', listing({ OR: [{ user_id: 'x' }, { metadata: { kind: 'plan' } }] }), 400],
    ['categories alone', listing({ categories: { in: ['misc'] } }), 400],
    ['the other tenant’s name', listing({ user_id: 'globex:bob' }), 200],
    ['one of several ids', listing({ user_id: { in: ['nobody', 'globex:bob'] } }), 200],
    ['a name in a branch', listing({ OR: [{ app_id: 'a' }, { user_id: 'globex:bob' }] }), 200],
    ['a wildcard in a query', ['GET', '/v1/memories/?user_id=*'], 400],
    ['no filter at all', ['GET', '/v1/memories/'], 400],
    ['a name in a path', ['GET', '/v1/memories/user/globex%3Abob/'], 200],
    [
      'a name at the top',
      ['POST', '/v1/memories/search/', { query: 'x', user_id: 'q', filters: { user_id: 'globex:bob' } }],
      400,
    ],
  ];

  it.each(ESCAPES)('%s', async (_, [method, path, body], status) => {
    const open = await bare(method, path, body);
    expect(JSON.stringify(open)).toContain(secret);
    const kept = await rig.call(method, path, token, body);
    expect(kept.status).toBe(status);
    expect(JSON.stringify(kept.json)).not.toContain(secret);
  });

  it('whether a memory is anywhere at all, also by one’s own receipt', async () => {
    const told = async (id: string) => {
      const answer = await rig.call('GET', `/v1/memories/${id}/`, token);
      const place = answer.headers.get('audit-record')!.split(';')[0]!;
      const { json } = await rig.call('GET', `/governance/v1/receipts/${place}`, token);
      const { decision, reasons, outcome } = JSON.parse(json.canonical);
      const { latency_ms: _, ...rest } = outcome;
      return { status: answer.status, detail: answer.json.detail, decision, reasons, rest };
    };
    const foreign = await told(secret);
    expect(foreign).toMatchObject({ status: 404, decision: 'deny' });
    expect(await told('8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21')).toEqual(foreign);
  });

  it('memory ids beside one’s own id', async () => {
    const filters = { AND: [{ user_id: 'bob' }, { memory_ids: [secret] }] };
    expect(
      JSON.stringify(await bare('POST', '/v2/memories/', { filters: { memory_ids: [secret] } })),
    ).toContain(secret);
    expect((await rig.call('POST', '/v3/memories/', token, { filters })).json.results).toEqual([]);
  });

  it.each([
    ['GET', ''],
    ['PUT', '', { text: 'mine' }],
    ['DELETE', ''],
    ['GET', 'history/'],
  ])('%s of a foreign id is not found', async (method, below, body?: object) => {
    const { status, json } = await rig.call(method, `/v1/memories/${secret}/${below}`, token, body);
    expect([status, JSON.stringify(json).includes('operators-org')]).toEqual([404, false]);
    expect(hosted.memories().find((row) => row.id === secret)).toMatchObject({
      memory: 'globex merges in May',
    });
  });

  it('a delete that takes linked memories along, or everybody’s', async () => {
    const id = await added(ours, 'linked', { userId: 'lin' });
    expect((await rig.call('DELETE', `/v1/memories/${id}/?delete_linked=true`, token)).status).toBe(400);
    expect((await rig.call('DELETE', '/v1/memories/?user_id=*', token)).status).toBe(400);
    expect((await rig.call('DELETE', '/v2/entities/user/%2A/', token)).status).toBe(400);
    expect(hosted.memories().filter((row) => [id, secret].includes(row.id))).toHaveLength(2);
  });

  it('is asked with the gateway’s key alone', () => {
    const seen = hosted.requests.filter(({ headers }) => headers['mem0-user-id'] || headers['x-mem0-client']);
    expect(seen).toEqual([]);
  });
});
