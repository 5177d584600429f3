import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

/** A shared Mem0, a tenant's own one, and one that a tenant had before the gateway. */
const HOMES = ['pool', 'silo', 'raw'] as const;
const apiKey = randomBytes(24).toString('base64url');
const keyOf = { pool: apiKey, silo: `silo-${apiKey}`, raw: `raw-${apiKey}` };

let dir: string;
let mem0: { readonly [home in (typeof HOMES)[number]]: Mem0 };
let rig: Rig;
/** A memory of the raw tenant's from before there was a gateway. */
let before: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-tenants-'));
  const start = (home: (typeof HOMES)[number]) =>
    startMem0({ dir: join(dir, home), apiKey: keyOf[home], log: () => undefined });
  const [pool, silo, raw] = await Promise.all(HOMES.map(start));
  mem0 = { pool: pool!, silo: silo!, raw: raw! };
  before = await addTo('raw', { user_id: 'bob', agent_id: 'bot' }, 'was here before');
  rig = await startRig({
    mem0: { url: mem0.pool.url, apiKey: keyOf.pool },
    tenants: ['acme', 'initech', 'oldco'],
    silos: {
      initech: { mem0: { secret: 'MEM0_INITECH' } },
      oldco: { mem0: { secret: 'MEM0_OLDCO', raw: true } },
    },
    env: {
      MEM0_INITECH: JSON.stringify({ origin: mem0.silo.url, key: keyOf.silo }),
      MEM0_OLDCO: JSON.stringify({ origin: mem0.raw.url, key: keyOf.raw }),
    },
  });
}, 120_000);

afterAll(async () => {
  await rig?.stop();
  await Promise.all(Object.values(mem0 ?? {}).map((each) => each.stop()));
  await rm(dir, { recursive: true, force: true });
});

/** Straight to a Mem0, past the gateway. */
async function ask(home: (typeof HOMES)[number], method: string, path: string, body?: object) {
  const response = await fetch(`${mem0[home].url}${path}`, {
    method,
    headers: { 'x-api-key': keyOf[home], ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  // biome-ignore lint/suspicious/noExplicitAny: what came back is what the test is about
  return (await response.json()) as any;
}

async function addTo(home: (typeof HOMES)[number], ids: object, content: string): Promise<string> {
  const body = { ...ids, infer: false, messages: [{ role: 'user', content }] };
  return (await ask(home, 'POST', '/memories', body)).results[0].id as string;
}

const admin = (tenant: string) => rig.token(tenant, 'admin');
const add = async (tenant: string, content: string, ids: object = { user_id: 'bob' }) => {
  const body = { ...ids, infer: false, messages: [{ role: 'user', content }] };
  const answer = await rig.call('POST', '/memories', await admin(tenant), body);
  expect(answer.status).toBe(200);
  return answer.json.results[0].id as string;
};
const textsOf = async (tenant: string, query = 'user_id=bob') =>
  (await rig.call('GET', `/memories?${query}`, await admin(tenant))).json.results.map(
    ({ memory }: { memory: string }) => memory,
  );

describe('every tenant has its own place', () => {
  it('and finds there what it put there, and nothing else', async () => {
    await add('acme', 'of acme');
    await add('initech', 'of initech');
    await add('oldco', 'of oldco');
    expect(await textsOf('acme')).toEqual(['of acme']);
    expect(await textsOf('initech')).toEqual(['of initech']);
    expect((await textsOf('oldco')).sort()).toEqual(['of oldco', 'was here before']);
  });

  it('where the ids stand namespaced, but for the raw tenant', async () => {
    const owners = async (home: (typeof HOMES)[number]) =>
      new Set((await ask(home, 'GET', '/memories')).results.map((row: { user_id: string }) => row.user_id));
    expect(await owners('pool')).toEqual(new Set(['acme:bob']));
    expect(await owners('silo')).toEqual(new Set(['initech:bob']));
    expect(await owners('raw')).toEqual(new Set(['bob']));
  });

  it('and is 404 in every other one, whoever asks', async () => {
    const own = await add('initech', 'a secret of initech');
    for (const tenant of ['acme', 'oldco']) {
      const token = await admin(tenant);
      for (const id of [own, ...(tenant === 'acme' ? [before] : [])]) {
        expect((await rig.call('GET', `/memories/${id}`, token)).status).toBe(404);
        expect((await rig.call('DELETE', `/memories/${id}`, token)).status).toBe(404);
        expect((await rig.call('GET', `/memories/${id}/history`, token)).status).toBe(404);
      }
    }
    expect((await rig.call('GET', `/memories/${own}`, await admin('initech'))).status).toBe(200);
  });
});

describe('a raw tenant', () => {
  it('reads, changes, follows and deletes what was there before the gateway', async () => {
    const token = await admin('oldco');
    const id = await addTo('raw', { user_id: 'eve' }, 'old');
    expect((await rig.call('GET', `/memories/${id}`, token)).json).toMatchObject({ id, user_id: 'eve' });
    expect((await rig.call('PUT', `/memories/${id}`, token, { text: 'new' })).status).toBe(200);
    expect((await rig.call('DELETE', `/memories/${id}`, token)).status).toBe(200);
    const history = await rig.call('GET', `/memories/${id}/history`, token);
    expect(history.json.map((row: { event: string }) => row.event)).toContain('DELETE');
  });

  it('keeps ids that look like those of the pool, as they are', async () => {
    await add('oldco', 'odd', { user_id: 'acme:bob' });
    expect(await textsOf('oldco', 'user_id=acme%3Abob')).toEqual(['odd']);
    expect(await textsOf('acme')).toEqual(['of acme']);
  });

  it.each(['user_id=*', 'user_id=%20*%20', 'user_id=', ''])('names somebody: not %j', async (query) => {
    expect((await rig.call('GET', `/memories?${query}`, await admin('oldco'))).status).toBe(400);
    expect((await rig.call('DELETE', `/memories?${query}`, await admin('oldco'))).status).toBe(400);
  });

  it('deletes an entity, and only that one', async () => {
    const token = await admin('oldco');
    await add('oldco', 'goes', { user_id: 'carol' });
    expect((await rig.call('DELETE', '/entities/user/carol', token)).status).toBe(200);
    expect(await textsOf('oldco', 'user_id=carol')).toEqual([]);
    expect(await textsOf('oldco', 'agent_id=bot')).toEqual(['was here before']);
  });

  it('is told what Mem0 says as it says it, and never its address', async () => {
    const answer = await rig.call('GET', '/v1/entities/', await admin('oldco'));
    expect(answer.json.results.map((row: { name: string }) => row.name)).toContain('bob');
    expect(JSON.stringify(answer.json)).not.toContain(new URL(mem0.raw.url).host);
  });
});

it('a silo that is down takes no other tenant along, and nothing of its goes to the pool', async () => {
  await mem0.silo.stop();
  const add = { user_id: 'bob', infer: false, messages: [{ role: 'user', content: 'lost?' }] };
  const failed = await rig.call('POST', '/memories', await admin('initech'), add);
  expect(failed.status).toBe(502);
  expect((await rig.call('GET', '/memories?user_id=bob', await admin('acme'))).status).toBe(200);
  const rows = (await ask('pool', 'GET', '/memories')).results as { memory: string }[];
  expect(rows.map(({ memory }) => memory)).not.toContain('lost?');
});

it('a missing secret of one silo stops the gateway, and says which', async () => {
  await rig.restartGateway({ MEM0_INITECH: '' });
  expect((await rig.call('GET', '/memories?user_id=bob', await admin('acme'))).status).toBe(503);
  await expect.poll(() => rig.logs.join('\n')).toContain('MEM0_INITECH is missing');
  expect(rig.logs.join('\n')).not.toContain(keyOf.raw);
});
