import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import MemoryClient from 'mem0ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// Mem0's official JavaScript client, made for the hosted Platform, unmodified: through the gateway it works against a
// self-hosted engine, with host and key changed.

let dir: string;
let mem0: Mem0;
let rig: Rig;
let ours: MemoryClient;
let theirs: MemoryClient;

const clientOf = async (tenant: string, role = 'admin') =>
  new MemoryClient({ apiKey: await rig.token(tenant, role), host: rig.url });
const say = (content: string) => [{ role: 'user' as const, content }];

// biome-ignore lint/suspicious/noExplicitAny: the client's types promise less than its answers hold
type Loose = any;

async function added(client: MemoryClient, content: string, options: object): Promise<string> {
  const answer: Loose = await client.add(say(content), { infer: false, ...options } as Loose);
  return answer.results[0].id;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-client-'));
  mem0 = await startMem0({ dir, log: () => undefined });
  rig = await startRig({ mem0 });
  ours = await clientOf('acme');
  theirs = await clientOf('globex');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('the official JavaScript client', () => {
  it('pings, and learns nothing of the operator’s account', async () => {
    await ours.ping();
    expect(await (await fetch(`${rig.url}/v1/ping/`, { headers: ours.headers })).json()).toEqual({
      status: 'ok',
      org_id: 'governed',
      project_id: 'acme',
    });
  });

  it('adds, gets, searches, lists, updates, reads the history, and deletes', async () => {
    const user = 'ann@example.com';
    const answer: Loose = await ours.add(say('I like oolong tea'), { userId: user, infer: false } as Loose);
    expect(answer).toMatchObject({ status: 'SUCCEEDED', eventId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    const { id } = answer.results[0];
    expect(answer.results[0].data).toEqual({ memory: 'I like oolong tea' });

    expect(await ours.get(id)).toMatchObject({ id, memory: 'I like oolong tea', userId: user });
    const filters = { user_id: user };
    const found: Loose = await ours.search('oolong tea', { filters, threshold: 0 } as Loose);
    expect(found.results).toMatchObject([{ id, memory: 'I like oolong tea', userId: user }]);
    const listed: Loose = await ours.getAll({ filters } as Loose);
    expect(listed).toMatchObject({ count: 1, next: null, previous: null, results: [{ id }] });

    expect(await ours.update(id, { text: 'I like green tea' })).toMatchObject({
      id,
      text: 'I like green tea',
    });
    expect(await ours.get(id)).toMatchObject({ memory: 'I like green tea' });
    const history: Loose = await ours.history(id);
    expect(history.map(({ event }: { event: string }) => event)).toEqual(['ADD', 'UPDATE']);
    expect(await ours.delete(id)).toHaveProperty('message');
    await expect(ours.get(id)).rejects.toMatchObject({ errorCode: 'HTTP_404' });
  });

  it('pages, with links to the gateway', async () => {
    for (const n of [1, 2, 3]) await added(ours, `page ${n}`, { userId: 'pages' });
    const filters = { AND: [{ user_id: 'pages' }] };
    const first: Loose = await ours.getAll({ filters, page: 1, pageSize: 2 } as Loose);
    expect(first).toMatchObject({ count: 3, previous: null });
    expect(first.results).toHaveLength(2);
    expect(first.next).toBe(`${rig.url}/v3/memories/?page=2&page_size=2`);
    const second: Loose = await ours.getAll({ filters, page: 2, pageSize: 2 } as Loose);
    expect(second).toMatchObject({ count: 3, next: null });
    const ids = [...first.results, ...second.results].map(({ id }: { id: string }) => id);
    expect(new Set(ids).size).toBe(3);
    // What was looked through and not given is not in the record.
    const records = await rig.recorded((all) => {
      return (
        all.filter(({ operation, outcome }) => operation === 'platform.memories.list' && outcome).length >= 3
      );
    });
    const seen = records.flatMap(({ operation, resource }) =>
      operation === 'platform.memories.list' ? [resource?.ids?.filter((id) => ids.includes(id)) ?? []] : [],
    );
    expect(seen).toContainEqual([...ids.slice(0, 2)].sort());
    expect(seen).toContainEqual([ids[2]]);
  });

  it('finds what has one of several ids, as the Platform keeps a user’s and an agent’s memories apart', async () => {
    const mine = await added(ours, 'the user likes tea', { userId: 'or-user' });
    const bots = await added(ours, 'the agent makes tea', { agentId: 'or-bot' });
    const both = await added(ours, 'both like tea', { userId: 'or-user', agentId: 'or-bot' });
    await added(ours, 'somebody else likes tea', { userId: 'or-other' });
    await added(theirs, 'the other tenant likes tea', { userId: 'or-user' });
    const filters = { OR: [{ user_id: 'or-user' }, { agent_id: 'or-bot' }] };
    const ids = (answer: Loose) => answer.results.map(({ id }: { id: string }) => id).sort();
    expect(ids(await ours.getAll({ filters } as Loose))).toEqual([mine, bots, both].sort());
    const found: Loose = await ours.search('tea', { filters, threshold: 0 } as Loose);
    expect(ids(found)).toEqual([mine, bots, both].sort());
    const scores = found.results.map(({ score }: { score: number }) => score);
    expect(scores).toEqual([...scores].sort((a: number, b: number) => b - a));
    const either = { user_id: { in: ['or-user', 'or-other'] } };
    expect(ids(await ours.getAll({ filters: either } as Loose))).toHaveLength(3);
    const many = { user_id: { in: Array.from({ length: 21 }, (_, n) => `u${n}`) } };
    await expect(ours.getAll({ filters: many } as Loose)).rejects.toMatchObject({ errorCode: 'HTTP_501' });
    const open = { OR: [{ user_id: 'or-user' }, { metadata: { x: 1 } }] };
    await expect(ours.getAll({ filters: open } as Loose)).rejects.toMatchObject({ name: 'ValidationError' });
  });

  it.each([
    [{ metadata: { city: 'Bern' } }, ['Bern']],
    [{ metadata: { city: { ne: 'Bern' } } }, ['Basel', 'Genf']],
    [{ NOT: [{ metadata: { city: 'Bern' } }] }, ['Basel', 'Genf']],
    [{ OR: [{ metadata: { city: 'Bern' } }, { metadata: { n: { gte: 2 } } }] }, ['Bern', 'Genf']],
    [
      {
        AND: [
          { OR: [{ metadata: { n: 1 } }, { metadata: { n: 2 } }] },
          { NOT: { metadata: { city: 'Genf' } } },
        ],
      },
      ['Basel'],
    ],
    [{ created_at: { gte: '2020-01-01', lt: '2100-01-01T00:00:00Z' } }, ['Basel', 'Bern', 'Genf']],
    [{ created_at: { lt: '2020-01-01' } }, []],
  ])('filters in the Platform’s grammar: %j', async (filter, cities) => {
    const listed: Loose = await ours.getAll({ filters: { AND: [{ user_id: 'places' }] } } as Loose);
    if (listed.count === 0) {
      for (const [n, city] of ['Bern', 'Basel', 'Genf'].entries()) {
        await added(ours, `tea in ${city}`, { userId: 'places', metadata: { city, n } });
        await added(theirs, `tea in ${city}`, { userId: 'places', metadata: { city, n } });
      }
    }
    const filters = { AND: [{ user_id: 'places' }, filter] };
    const all: Loose = await ours.getAll({ filters } as Loose);
    const found: Loose = await ours.search('tea', { filters, threshold: 0, topK: 10 } as Loose);
    for (const { results } of [all, found]) {
      expect(results.map(({ metadata }: Loose) => metadata.city).sort()).toEqual(cities);
    }
  });

  it('deletes all of an id, and an entity', async () => {
    const id = await added(ours, 'one', { userId: 'gone' });
    await added(ours, 'two', { agentId: 'bot/1' });
    await ours.deleteAll({ userId: 'gone' } as Loose);
    await expect(ours.get(id)).rejects.toMatchObject({ errorCode: 'HTTP_404' });
    const kept = await added(theirs, 'theirs', { userId: 'gone' });
    await ours.deleteUsers({ userId: 'gone' } as Loose);
    expect(await theirs.get(kept)).toMatchObject({ memory: 'theirs' });
  });

  it('lists the users, agents and runs of the tenant and nobody else’s', async () => {
    await added(ours, 'x', { userId: 'listed/ü' });
    await added(theirs, 'y', { userId: 'not-listed' });
    const { results, totalUsers }: Loose = await ours.users();
    const names = results.map(({ name }: { name: string }) => name);
    expect(names).toContain('listed/ü');
    expect(names).not.toContain('not-listed');
    expect(names.some((name: string) => name.includes(':'))).toBe(false);
    expect(totalUsers).toBe(results.filter(({ type }: { type: string }) => type === 'user').length);
    const first: Loose = await ours.users({ page: 1, pageSize: 1 });
    expect(first.results).toHaveLength(1);
    expect(first.next).toContain('page=2');
  });

  it('is served in its deprecated forms, too', async () => {
    const id = await added(ours, 'old oolong', { userId: 'old' });
    const call = async (method: string, path: string, body?: object) =>
      (await rig.call(method, path, await rig.token('acme', 'admin'), body)).json as Loose;
    const filters = { user_id: 'old' };
    const query = { query: 'oolong', threshold: 0 };
    const plain = [
      await call('GET', '/v1/memories/?user_id=old'),
      await call('GET', '/v1/memories/user/old/'),
      await call('POST', '/v2/memories/', { filters }),
      await call('POST', '/v1/memories/search/', { ...query, user_id: 'old' }),
      await call('POST', '/v2/memories/search/', { ...query, filters }),
    ];
    for (const rows of plain) expect(rows).toMatchObject([{ id, memory: 'old oolong', user_id: 'old' }]);
    expect(
      await call('POST', '/v1/memories/', { messages: 'newer', user_id: 'old', infer: false }),
    ).toMatchObject({
      results: [{ memory: 'newer' }],
    });
  });

  it('knows its own events, and no other’s', async () => {
    const { eventId, results }: Loose = await ours.add(say('x'), { userId: 'e', infer: false } as Loose);
    const event = (client: MemoryClient, id: string) =>
      fetch(`${rig.url}/v1/event/${id}/`, { headers: client.headers }).then(async (answer) => ({
        status: answer.status,
        json: (await answer.json()) as Loose,
      }));
    expect(await event(ours, eventId)).toMatchObject({
      status: 200,
      json: { id: eventId, status: 'SUCCEEDED' },
    });
    // What is kept says which memories, and never what is in them.
    expect((await event(ours, eventId)).json.results).toEqual([{ id: results[0].id, event: 'ADD' }]);
    expect((await event(theirs, eventId)).status).toBe(404);
    expect((await event(ours, '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d')).status).toBe(404);
  });

  it('changes and deletes batches, all or nothing where one is not the tenant’s', async () => {
    const ids = [await added(ours, 'b1', { userId: 'batch' }), await added(ours, 'b2', { userId: 'batch' })];
    const foreign = await added(theirs, 'b3', { userId: 'batch' });
    const memories = ids.map((memoryId, n) => ({ memoryId, text: `changed ${n}` }));
    expect(await ours.batchUpdate(memories)).toEqual({ message: 'Successfully updated 2 memories' });
    expect(await ours.get(ids[1]!)).toMatchObject({ memory: 'changed 1' });
    const mixed = [...memories, { memoryId: foreign, text: 'stolen' }];
    await expect(ours.batchUpdate(mixed)).rejects.toThrow(
      `Memory ${foreign} was not found; nothing was done.`,
    );
    await expect(ours.batchDelete([...ids, foreign])).rejects.toMatchObject({ errorCode: 'HTTP_404' });
    expect(await theirs.get(foreign)).toMatchObject({ memory: 'b3' });
    expect(await ours.get(ids[0]!)).toMatchObject({ memory: 'changed 0' });
    expect(await ours.batchDelete(ids)).toEqual({ message: 'Successfully deleted 2 memories' });
    await expect(ours.get(ids[0]!)).rejects.toMatchObject({ errorCode: 'HTTP_404' });
    await expect(ours.batchUpdate([memories[0]!, memories[0]!])).rejects.toMatchObject({
      name: 'ValidationError',
    });
  });

  it('reaches nothing of another tenant', async () => {
    const id = await added(ours, 'our secret', { userId: 'carol' });
    const filters = { user_id: 'carol' };
    expect(((await theirs.getAll({ filters } as Loose)) as Loose).count).toBe(0);
    expect(
      ((await theirs.search('our secret', { filters, threshold: 0 } as Loose)) as Loose).results,
    ).toEqual([]);
    for (const attempt of [
      () => theirs.get(id),
      () => theirs.update(id, { text: 'x' }),
      () => theirs.delete(id),
      () => theirs.history(id),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ errorCode: 'HTTP_404' });
    }
    expect(await ours.get(id)).toMatchObject({ memory: 'our secret' });
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'an OR that widens',
      () => ours.getAll({ filters: { OR: [{ user_id: 'a' }, { metadata: { x: 1 } }] } } as Loose),
    ],
    ['a wildcard', () => ours.getAll({ filters: { user_id: '*' } } as Loose)],
    ['an id by what it is not', () => ours.getAll({ filters: { user_id: { ne: 'a' } } } as Loose)],
    [
      'an id inside NOT',
      () => ours.getAll({ filters: { AND: [{ user_id: 'a' }, { NOT: [{ run_id: 'b' }] }] } } as Loose),
    ],
    ['no id', () => ours.getAll({ filters: { metadata: { x: 1 } } } as Loose)],
  ])('is told that it sent what is not acceptable: %s', async (_what, attempt) => {
    await expect(attempt()).rejects.toMatchObject({ name: 'ValidationError' });
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'categories',
      () => ours.getAll({ filters: { AND: [{ user_id: 'a' }, { categories: { in: ['x'] } }] } } as Loose),
    ],
    ['reranking', () => ours.search('x', { filters: { user_id: 'a' }, rerank: true } as Loose)],
    ['an application id', () => ours.add(say('x'), { userId: 'a', appId: 'b' } as Loose)],
    [
      'feedback',
      () =>
        ours.feedback({ memoryId: '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d', feedback: 'POSITIVE' } as Loose),
    ],
  ])('is told what a self-hosted Mem0 cannot do: %s', async (_what, attempt) => {
    await expect(attempt()).rejects.toMatchObject({ errorCode: 'HTTP_501' });
  });

  it('sees a refusal as what it is', async () => {
    const reader = await clientOf('acme', 'agent-reader');
    await expect(reader.add(say('x'), { userId: 'a' } as Loose)).rejects.toMatchObject({
      name: 'AuthenticationError',
    });
    const stranger = new MemoryClient({ apiKey: 'nonsense', host: rig.url });
    await expect(stranger.get('3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d')).rejects.toMatchObject({
      name: 'AuthenticationError',
    });
  });
});
