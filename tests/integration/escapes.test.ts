import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// The ways out of a tenant: each is sent to a bare engine, where it works, and through the gateway, where it does not.
// Alice is of acme and holds a secret; whoever asks is of globex, where Bob is.

const SECRET = 'the vault opens with 4711';

interface Attempt {
  readonly method: string;
  /** `ID` stands for the id of Alice's memory. */
  readonly path: string;
  /** JSON text, because some attempts are in how it is spelt. */
  readonly body?: string;
}

const search = (filters: string, more = ''): Attempt => ({
  method: 'POST',
  path: '/search',
  body: `{"query":"the vault","threshold":0,${more}"filters":${filters}}`,
});
const get = (path: string): Attempt => ({ method: 'GET', path });
const remove = (path: string): Attempt => ({ method: 'DELETE', path });

/** Shows Alice's memory to whoever asks a bare engine. */
const READS: readonly (readonly [string, Attempt])[] = [
  ['naming somebody else', get('/memories?user_id=alice')],
  ['no id at all', get('/memories')],
  ['an empty id', get('/memories?user_id=')],
  ['a wildcard', get('/memories?user_id=*')],
  ['an encoded wildcard', get('/memories?user_id=%2A')],
  ['a wildcard within blanks', get('/memories?user_id=%C2%A0*%E3%80%80')],
  ['a misspelt parameter', get('/memories?User_Id=bob')],
  ['a parameter in camel case', get('/memories?userId=bob')],
  ['a parameter as a list', get('/memories?user_id[]=bob')],
  ['a parameter of the other dialect', get('/memories?app_id=bob')],
  ['a parameter twice', get('/memories?user_id=bob&user_id=alice')],
  ['a shared agent', get('/memories?agent_id=bot')],
  ['a path with an escape', get('/%6demories?user_id=alice')],
  ['the memory’s own id', get('/memories/ID')],
  ['its history', get('/memories/ID/history')],
  ['searching as somebody else', search('{"user_id":"alice"}')],
  ['searching with a wildcard', search('{"user_id":"*"}')],
  ['an id inside AND', search('{"user_id":"bob","AND":[{"user_id":"alice"}]}')],
  ['a wildcard inside AND', search('{"user_id":"bob","AND":[{"user_id":"*"}]}')],
  ['a negation inside AND', search('{"user_id":"bob","AND":[{"user_id":{"ne":"bob"}}]}')],
  ['a list inside AND', search('{"user_id":"bob","AND":[{"user_id":{"in":["alice"]}}]}')],
  ['a wildcard with NOT', search('{"user_id":"*","NOT":[{"user_id":"bob"}]}')],
  ['a wildcard with OR', search('{"user_id":"*","OR":[{"user_id":"alice"},{"city":"x"}]}')],
  ['the shared agent in a filter', search('{"agent_id":"bot"}')],
  ['the shared agent with an id in OR', search('{"agent_id":"bot","OR":[{"user_id":"alice"}]}')],
  ['an id at the top level over the filter', search('{"user_id":"bob"}', '"user_id":"alice",')],
  ['a key twice', search('{"user_id":"bob","user_id":"alice"}')],
  ['a key twice, once escaped', search('{"user_id":"bob","\\u0075ser_id":"alice"}')],
  ['an id within blanks', search('{"user_id":"\\u2003alice"}')],
];

/** Changes or deletes Alice's memory in a bare engine. */
const WRITES: readonly (readonly [string, Attempt])[] = [
  ['changing by id', { method: 'PUT', path: '/memories/ID', body: '{"text":"stolen"}' }],
  ['deleting by id', remove('/memories/ID')],
  ['deleting by an id in upper case', remove('/memories/UPPER')],
  ['deleting somebody else’s', remove('/memories?user_id=alice')],
  ['deleting with a wildcard', remove('/memories?user_id=*')],
  ['deleting a shared agent’s', remove('/memories?agent_id=bot')],
  ['deleting a parameter twice', remove('/memories?user_id=bob&user_id=alice')],
  ['deleting an entity', remove('/entities/user/alice')],
  ['deleting the entity of all', remove('/entities/user/%2A')],
  ['wiping everything', { method: 'POST', path: '/reset', body: '{}' }],
];

/** Also through the dialect that a bare engine does not speak, and in spellings that it happens to refuse. */
const MORE: readonly (readonly [string, Attempt])[] = [
  ['OR beside an id', search('{"user_id":"bob","OR":[{"user_id":"alice"}]}')],
  ['OR alone', search('{"OR":[{"user_id":"bob"},{"user_id":"alice"}]}')],
  ['nested groups', search('{"user_id":"bob","AND":[{"OR":[{"user_id":"alice"}]}]}')],
  ['operators of another store', search('{"user_id":"bob","$or":[{"user_id":"alice"}]}')],
  ['a number for an id', search('{"user_id":true}')],
  ['an id as an object', search('{"user_id":{"contains":"a"}}')],
  ['metadata by the name of an id', search('{"user_id":"bob","AND":[{"userId":"alice"}]}')],
  ['a foreign prefix', get('/memories?user_id=acme:alice')],
  ['an encoded foreign prefix', get('/memories?user_id=acme%3Aalice')],
  ['the history by an encoded slash', get('/memories/ID%2Fhistory')],
  ['a dot segment', get('/entities/../memories?user_id=alice')],
  ['the listing of entities', get('/entities')],
  ['the requests of everybody', get('/requests')],
  [
    'Platform: OR widens',
    {
      method: 'POST',
      path: '/v3/memories/',
      body: '{"filters":{"OR":[{"user_id":"bob"},{"user_id":"alice"}]}}',
    },
  ],
  [
    'Platform: somebody else',
    { method: 'POST', path: '/v3/memories/', body: '{"filters":{"AND":[{"user_id":"alice"}]}}' },
  ],
  [
    'Platform: by memory ids',
    {
      method: 'POST',
      path: '/v3/memories/',
      body: '{"filters":{"AND":[{"user_id":"bob"},{"OR":[{"memory_ids":["ID"]},{"user_id":"alice"}]}]}}',
    },
  ],
  [
    'Platform: NOT',
    {
      method: 'POST',
      path: '/v3/memories/',
      body: '{"filters":{"AND":[{"user_id":"bob"},{"NOT":[{"user_id":"bob"}]}]}}',
    },
  ],
  ['Platform: the memory’s id', get('/v1/memories/ID/')],
  ['Platform: its history', get('/v1/memories/ID/history/')],
  ['Platform: another project', get('/v1/memories/?user_id=alice&project_id=1')],
  ['Platform: an entity’s memories', get('/v1/memories/user/alice/')],
  ['Platform: the entities', get('/v1/entities/')],
  ['Platform: the events', get('/v1/events/')],
  [
    'Platform: a batch',
    { method: 'PUT', path: '/v1/batch/', body: '{"memories":[{"memory_id":"ID","text":"stolen"}]}' },
  ],
  [
    'Platform: a batch of deletes',
    { method: 'DELETE', path: '/v1/batch/', body: '{"memories":[{"memory_id":"ID"}]}' },
  ],
  ['Platform: deleting with wildcards', remove('/v1/memories/?user_id=*&agent_id=*&run_id=*')],
  ['Platform: linked memories', remove('/v1/memories/ID/?delete_linked=true')],
  ['Platform: an entity', remove('/v2/entities/user/alice/')],
  ['Platform: an entity by number', remove('/v1/entities/user/1/')],
];

let dir: string;
let bare: Mem0;
let behind: Mem0;
let rig: Rig;
let alice: string;
let bob: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-escapes-'));
  const log = () => undefined;
  [bare, behind] = await Promise.all([
    startMem0({ dir: join(dir, 'bare'), log }),
    startMem0({ dir: join(dir, 'behind'), log }),
  ]);
  rig = await startRig({ mem0: behind });
  alice = await rig.token('acme', 'admin', 'alice-app');
  bob = await rig.token('globex', 'admin', 'bob-app');
});

afterAll(async () => {
  await rig?.stop();
  await Promise.all([bare?.stop(), behind?.stop()]);
  await rm(dir, { recursive: true, force: true });
});

const bareHeaders = () => ({ 'x-api-key': bare.apiKey, 'content-type': 'application/json' });
const bearer = (token: string) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });

async function send(
  url: string,
  headers: HeadersInit,
  { method, path, body }: Attempt,
  id: string,
): Promise<{ status: number; text: string }> {
  const target = path.replace('ID', id).replace('UPPER', id.toUpperCase());
  const sent = body === undefined ? {} : { body: body.replace('ID', id) };
  const answer = await fetch(`${url}${target}`, { method, headers, ...sent });
  return { status: answer.status, text: await answer.text() };
}

/** Both memories anew; returns the id of Alice's. */
async function seed(url: string, headersOf: (name: 'alice' | 'bob') => HeadersInit): Promise<string> {
  const ids = [];
  for (const [name, content] of [
    ['alice', SECRET],
    ['bob', 'Bob likes tea'],
  ] as const) {
    const messages = [{ role: 'user', content }];
    const body = JSON.stringify({ messages, user_id: name, agent_id: 'bot', infer: false });
    const { status, text } = await send(
      url,
      headersOf(name),
      { method: 'POST', path: '/memories', body },
      '',
    );
    expect(status, text).toBe(200);
    ids.push(JSON.parse(text).results[0].id);
  }
  return ids[0]!;
}

let bareId: string;
let id: string;
beforeEach(async () => {
  for (const mem0 of [bare, behind]) {
    await fetch(`${mem0.url}/reset`, { method: 'POST', headers: { 'x-api-key': mem0.apiKey } });
  }
  bareId = await seed(bare.url, bareHeaders);
  id = await seed(rig.url, (name) => bearer(name === 'alice' ? alice : bob));
});

/** Alice's memory as she sees it. */
async function kept(): Promise<void> {
  const { status, text } = await send(rig.url, bearer(alice), get('/memories/ID'), id);
  expect(status, text).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ memory: SECRET, user_id: 'alice' });
}

/** Nothing of hers comes out, nothing of hers is changed, and the gateway itself does not fail. */
async function withstood(attempt: Attempt): Promise<void> {
  const { status, text } = await send(rig.url, bearer(bob), attempt, id);
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain('acme');
  expect(text).not.toContain('alice');
  expect(status).toBeLessThan(502);
  await kept();
}

describe('reading', () => {
  it.each(READS)('%s', async (_name, attempt) => {
    const { text } = await send(bare.url, bareHeaders(), attempt, bareId);
    expect(text, 'a bare engine shows it').toContain(SECRET);
    await withstood(attempt);
  });
});

describe('writing', () => {
  it.each(WRITES)('%s', async (_name, attempt) => {
    await send(bare.url, bareHeaders(), attempt, bareId);
    const { text } = await send(bare.url, bareHeaders(), get('/memories/ID'), bareId);
    expect(text, 'a bare engine does it').not.toContain(SECRET);
    await withstood(attempt);
  });
});

describe('more ways', () => {
  it.each(MORE)('%s', async (_name, attempt) => {
    await withstood(attempt);
  });
});
