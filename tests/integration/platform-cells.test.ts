import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../worker/mem0/catalogue/index.ts';
import type { Operation } from '../../worker/mem0/catalogue/types.ts';
import { type Hosted, startHosted } from '../fakes/hosted.ts';
import { type Rig, startRig } from './rig.ts';

// Every governed row of both dialects on a Platform origin: what is forwarded or evaluated is answered, what is refused
// is 501, whatever else is wrong with it.

let hosted: Hosted;
let rig: Rig;
let token: string;

const filters = { AND: [{ user_id: 'bob' }] };
const named = { messages: 'likes tea', user_id: 'bob', infer: false };

/** What a row is sent beside its path: query and body. `M` is a memory of bob's, `X` an export. */
const SENT: { readonly [operation: string]: { readonly query?: string; readonly body?: object } } = {
  'platform.memories.add': { body: named },
  'platform.v1.memories.add': { body: named },
  'platform.memories.list': { body: { filters } },
  'platform.v2.memories.list': { body: { filters } },
  'platform.v1.memories.list': { query: '?user_id=bob' },
  'platform.memories.search': { body: { filters, query: 'tea', rerank: true } },
  'platform.v1.memories.search': { body: { user_id: 'bob', query: 'tea' } },
  'platform.v2.memories.search': { body: { filters, query: 'tea' } },
  'platform.memories.update': { body: { text: 'likes coffee' } },
  'platform.memories.delete_all': { query: '?user_id=bob&app_id=x' },
  'platform.batch.update': { body: { memories: [{ memory_id: 'M', text: 'likes mate' }] } },
  'platform.batch.delete': { body: { memories: [{ memory_id: 'M' }] } },
  'platform.feedback.add': { body: { memory_id: 'M', feedback: 'NEGATIVE' } },
  'platform.entities.add': { body: { user_id: 'bob' } },
  'platform.summary.get': { body: { filters } },
  'platform.exports.add': { body: { filters, schema: {} } },
  'platform.exports.get': { body: { memory_export_id: 'X' } },
};

const ROWS = OPERATIONS.filter(({ access, dialect }) => access === 'governed' && dialect !== 'governance');

function pathOf({ path }: Operation, memory: string, event: string): string {
  return path
    .replace('{memory_id}', memory)
    .replace('{event_id}', event)
    .replace('{entity_id}', 'bob')
    .replace(/\{[a-z_]+=([a-z]+)[a-z|]*\}/, '$1');
}

beforeAll(async () => {
  hosted = await startHosted();
  rig = await startRig({ mem0: hosted, env: { MEM0_KIND: 'platform' } });
  token = await rig.token('acme', 'admin');
});

afterAll(async () => {
  await rig?.stop();
  await hosted?.stop();
});

describe('on a Platform origin', () => {
  it.each(ROWS.map((row) => [row.id, row.serve.platform, row] as const))('%s: %s', async (id, serve, row) => {
    const begun = await rig.call('POST', '/v3/memories/add/', token, named);
    const { event_id: event, results } = begun.json;
    const exported = await rig.call('POST', '/v1/exports/', token, { filters, schema: {} });
    const { query = '', body } = SENT[id] ?? {};
    const filled = JSON.stringify(body ?? null)
      .replaceAll('"M"', JSON.stringify(results[0].id))
      .replaceAll('"X"', JSON.stringify(exported.json.id));
    const sent = body && JSON.parse(filled);
    const bodied = row.method === 'POST' || row.method === 'PUT' ? {} : undefined;
    const path = `${pathOf(row, results[0].id, event)}${query}`;
    const { status, json } = await rig.call(row.method, path, token, sent ?? bodied);
    expect([status, json?.code]).toEqual(serve === 'refuse' ? [501, 'not_served'] : [200, undefined]);
    expect(JSON.stringify(json)).not.toMatch(/acme:|operator/);
  });
});
