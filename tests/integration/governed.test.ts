import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafHash } from '../../core/record.ts';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// The whole way on real parts: the Worker on bare workerd, the real Mem0 engine, a real Postgres.

let dir: string;
let mem0: Mem0;
let rig: Rig;
let writer: string;
let reader: string;
let admin: string;
let stranger: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-mem0-'));
  mem0 = await startMem0({ dir, log: () => undefined });
  rig = await startRig({ mem0 });
  writer = await rig.token('acme', 'agent-writer');
  reader = await rig.token('acme', 'agent-reader');
  admin = await rig.token('acme', 'admin');
  stranger = await rig.token('globex', 'admin');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function add(token: string, text: string, user: string): Promise<string> {
  const messages = [{ role: 'user', content: text }];
  const answer = await rig.call('POST', '/memories', token, { messages, user_id: user, infer: false });
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
  return answer.json.results[0].id;
}

describe('a governed request', () => {
  it('adds a memory, finds it again, and leaves its records in Postgres', async () => {
    const id = await add(writer, 'I like green tea', 'alice');
    const found = await rig.call('POST', '/search', reader, {
      query: 'green tea',
      filters: { user_id: 'alice' },
    });
    expect(found.status).toBe(200);
    expect(found.json.results.map((row: { id: string }) => row.id)).toContain(id);
    expect(found.json.results[0]).toMatchObject({ memory: 'I like green tea', user_id: 'alice' });

    const [place, leaf] = found.headers.get('audit-record')!.split(';');
    const records = await rig.recorded((all) => all.some(({ log, index }) => `${log}/${index}` === place));
    const search = records.find(({ log, index }) => `${log}/${index}` === place)!;
    expect(search).toMatchObject({
      phase: 'outcome',
      tenant: 'acme',
      action: 'read',
      operation: 'oss.memories.search',
      decision: 'allow',
      outcome: { result: 'success', status: 200, upstream_status: 200 },
    });
    expect(search.resource?.ids).toContain(id);

    const intent = records.find(({ phase, action }) => phase === 'intent' && action === 'write')!;
    const outcome = records.find(
      ({ request_id, phase }) => request_id === intent.request_id && phase === 'outcome',
    )!;
    expect(outcome.intent).toEqual({ log: intent.log, index: intent.index });
    expect(outcome.resource?.ids).toContain(id);

    const { rows } = await (await rig.database.as('audit_owner')).query(
      "select canonical, encode(leaf, 'hex') as leaf from audit.record where log || '/' || index = $1",
      [place],
    );
    expect(rows[0].leaf).toBe(leaf);
    expect(leafHash(Buffer.from(rows[0].canonical))).toBe(leaf);
  });

  it('keeps another tenant out, by id, by search and by history, before and after deletion', async () => {
    const id = await add(writer, 'my locker code is 4711', 'alice');
    const missing = '00000000-0000-4000-8000-000000000000';
    for (const [method, path, body] of [
      ['GET', (m: string) => `/memories/${m}`],
      ['GET', (m: string) => `/memories/${m}/history`],
      ['PUT', (m: string) => `/memories/${m}`, { text: 'taken over' }],
      ['DELETE', (m: string) => `/memories/${m}`],
    ] as const) {
      const foreign = await rig.call(method, path(id), stranger, body);
      const unknown = await rig.call(method, path(missing), stranger, body);
      expect(foreign.status).toBe(404);
      const same = ({ request_id: _, ...rest }: { request_id: string }) => rest;
      expect(same(foreign.json)).toEqual(same(unknown.json));
    }
    const search = await rig.call('POST', '/search', stranger, {
      query: 'locker',
      filters: { user_id: 'alice' },
    });
    expect(search.json.results).toEqual([]);

    expect((await rig.call('DELETE', `/memories/${id}`, admin)).status).toBe(200);
    expect((await rig.call('GET', `/memories/${id}`, admin)).status).toBe(404);
    expect((await rig.call('GET', `/memories/${id}/history`, stranger)).status).toBe(404);
    const history = await rig.call('GET', `/memories/${id}/history`, admin);
    expect(history.status).toBe(200);
    expect(history.json.map((row: { event: string }) => row.event)).toContain('DELETE');
  });

  it('updates a memory of its own, and shows its history', async () => {
    const id = await add(writer, 'I live in Lyon', 'bob');
    expect((await rig.call('PUT', `/memories/${id}`, writer, { text: 'I live in Nice' })).status).toBe(200);
    const read = await rig.call('GET', `/memories/${id}`, reader);
    expect(read.json).toMatchObject({ id, memory: 'I live in Nice', user_id: 'bob' });
    const history = await rig.call('GET', `/memories/${id}/history`, reader);
    expect(history.json.length).toBeGreaterThanOrEqual(2);
  });

  it('deletes by filter within the tenant only, and names what went', async () => {
    const own = await add(writer, 'acme secret', 'carol');
    const theirs = await add(stranger, 'globex secret', 'carol');
    const gone = await rig.call('DELETE', '/memories?user_id=carol', admin);
    expect(gone.status).toBe(200);
    expect((await rig.call('GET', `/memories/${theirs}`, stranger)).status).toBe(200);
    expect((await rig.call('GET', `/memories/${own}`, admin)).status).toBe(404);
    const place = gone.headers.get('audit-record')!.split(';')[0];
    const records = await rig.recorded((all) => all.some(({ log, index }) => `${log}/${index}` === place));
    const outcome = records.find(({ log, index }) => `${log}/${index}` === place)!;
    expect(outcome.resource?.ids).toContain(own);
  });

  it('never lets an id, a text or a secret reach a record in clear', async () => {
    await add(writer, 'planted-memory-text', 'planted-user');
    await rig.call('POST', '/search', reader, {
      query: 'planted-query',
      filters: { user_id: 'planted-user' },
    });
    await rig.call('GET', '/memories?user_id=planted-user', 'planted.token.value');
    await rig.call('POST', '/memories', writer, { planted_key: 'planted-value' });
    const records = await rig.recorded((all) => all.some(({ decision }) => decision === 'invalid_request'));
    expect(JSON.stringify(records)).not.toMatch(/planted/);
    expect(JSON.stringify(records)).not.toContain(mem0.apiKey);
    const printed = rig.logs.join('\n');
    expect(printed).not.toMatch(/planted/);
    expect(printed).not.toContain(mem0.apiKey);
    expect(printed).not.toContain(writer);
    expect(printed).not.toContain('postgresql://');
  });
});

describe('a filter with logic', () => {
  const CITIES = ['Bern', 'Basel', 'Genf'];

  beforeAll(async () => {
    for (const [token, prefix] of [
      [writer, 'ours'],
      [stranger, 'theirs'],
    ] as const) {
      for (const [n, city] of CITIES.entries()) {
        const messages = [{ role: 'user', content: `tea ${prefix} in ${city}` }];
        const body = { messages, user_id: 'logic', infer: false, metadata: { city, n } };
        expect((await rig.call('POST', '/memories', token, body)).status).toBe(200);
      }
    }
  });

  it.each([
    [{ city: 'Bern' }, ['Bern']],
    [{ city: { ne: 'Bern' } }, ['Basel', 'Genf']],
    [{ city: ['Bern', 'Genf'] }, ['Bern', 'Genf']],
    [{ city: { nin: ['Bern', 'Genf'] } }, ['Basel']],
    [{ city: '*' }, CITIES],
    [{ OR: [{ city: 'Bern' }, { n: { gte: 2 } }] }, ['Bern', 'Genf']],
    [{ NOT: [{ city: 'Bern' }] }, ['Basel', 'Genf']],
    [{ NOT: [{ city: 'nowhere' }], OR: [{ n: { gte: 0 } }, { city: '*' }] }, CITIES],
    [{ AND: [{ city: { contains: 'B' } }, { n: { gt: 0 } }] }, ['Basel']],
    // The engine lays AND over what stands before it.
    [{ city: 'Bern', AND: [{ city: 'Genf' }] }, ['Genf']],
  ])('finds the own rows that it is meant for, and no other: %j', async (filter, cities) => {
    const body = { query: 'tea', filters: { user_id: 'logic', ...filter }, threshold: 0, top_k: 50 };
    const { status, json } = await rig.call('POST', '/search', reader, body);
    expect(status, JSON.stringify(json)).toBe(200);
    const found = json.results.map(({ memory, metadata }: { memory: string; metadata: { city: string } }) => {
      expect(memory).toContain('ours');
      return metadata.city;
    });
    expect(found.sort()).toEqual([...cities].sort());
  });
});
