import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action, Role } from '../../core/record.ts';
import { ROLES } from '../../core/record.ts';
import { OPERATIONS } from '../../worker/mem0/catalogue/index.ts';
import type { Operation } from '../../worker/mem0/catalogue/types.ts';
import { type FakeMem0, MEMORY_ID, memoryRow, type SeenRequest, startFakeMem0 } from '../fakes/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// Role × action × own or other tenant, over every row of the catalogue, on the running gateway.

/** The matrix of the policy, written down a second time so that a slip in either is seen. */
const MAY: { readonly [role in Role]: readonly Action[] } = {
  admin: ['read', 'write', 'delete', 'audit_read', 'admin', 'self'],
  'agent-writer': ['read', 'write', 'self'],
  'agent-reader': ['read', 'self'],
  auditor: ['audit_read', 'self'],
};

const BODIES: { readonly [operation: string]: unknown } = {
  'oss.memories.add': { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false },
  'oss.memories.search': { query: 'tea', filters: { user_id: 'bob' } },
  'oss.memories.update': { text: 'coffee' },
  'platform.memories.add': { messages: 'tea', user_id: 'bob', infer: false },
  'platform.v1.memories.add': { messages: 'tea', user_id: 'bob', infer: false },
  'platform.memories.list': { filters: { user_id: 'bob' } },
  'platform.v2.memories.list': { filters: { user_id: 'bob' } },
  'platform.memories.search': { query: 'tea', filters: { user_id: 'bob' } },
  'platform.v1.memories.search': { query: 'tea', user_id: 'bob' },
  'platform.v2.memories.search': { query: 'tea', filters: { user_id: 'bob' } },
  'platform.memories.update': { text: 'coffee' },
  'platform.batch.update': { memories: [{ memory_id: MEMORY_ID, text: 'x' }] },
  'governance.audit.hold.set': { held: false, reason: 'none' },
  'governance.personal.erase': { value: 'nobody', dry_run: false },
  'governance.personal.retire_key': { key: 'none' },
  'governance.explain': { method: 'GET', path: '/memories?user_id=bob', roles: ['agent-reader'] },
};
const BATCH = { memories: [{ memory_id: MEMORY_ID }] };

function requestFor(row: Operation): { method: string; path: string; body?: unknown } {
  const method = row.method === '*' ? 'POST' : row.method;
  const path = row.path
    .replace(/\{(memory_id|event_id)\}/g, MEMORY_ID)
    .replace('{entity_id}', 'bob')
    .replace('{log}', 'acme~0~1')
    .replace('{index}', '999999')
    .replace(/\{[a-z_]+=([a-z]+)[a-z|]*\}/, '$1')
    .replace('/**', '/x');
  const needsId = row.scope.startsWith('ids') && row.query !== 'any' && 'user_id' in row.query;
  const bodied = method === 'POST' || method === 'PUT' || /batch/.test(row.path);
  const body = BODIES[row.id] ?? (/batch/.test(row.path) ? BATCH : {});
  if (row.id === 'governance.audit.consistency') return { method, path: `${path}?from=0&to=1` };
  return { method, path: needsId ? `${path}?user_id=bob` : path, ...(bodied ? { body } : {}) };
}

function servedStatus({ serve, path }: Operation): number {
  if (serve.oss === 'refuse') return 501;
  // No log holds a record at that index, and no event was issued under that id.
  return /\{(index|event_id)\}/.test(path) ? 404 : 200;
}

/** A Mem0 that holds one memory, of acme's bob. */
function answerFor({ method, target }: SeenRequest): unknown {
  const row = memoryRow({ user_id: 'acme:bob' });
  if (method === 'POST' && target === '/memories')
    return { results: [{ id: MEMORY_ID, memory: 'tea', event: 'ADD' }] };
  if (target === '/entities') return [{ id: 'acme:bob', type: 'user', total_memories: 1 }];
  if (target.endsWith('/history')) return [{ id: MEMORY_ID, memory_id: MEMORY_ID, event: 'ADD' }];
  if (method === 'GET' && target === `/memories/${MEMORY_ID}`) return row;
  if (method === 'PUT' || method === 'DELETE') return { message: 'done' };
  return { results: [row] };
}

let mem0: FakeMem0;
let rig: Rig;

beforeAll(async () => {
  mem0 = await startFakeMem0({
    responder: (request, response) => {
      const body = JSON.stringify(answerFor(request));
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    },
  });
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'upstream-key' } });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const GOVERNED = OPERATIONS.filter(({ access }) => access !== 'public');

describe.each(ROLES)('%s', (role) => {
  it.each(GOVERNED.map((row) => [row.id, row] as const))('%s in its own tenant', async (_id, row) => {
    const { method, path, body } = requestFor(row);
    const before = mem0.requests.length;
    const answer = await rig.call(method, path, await rig.token('acme', role), body);
    const allowed = row.access === 'governed' && MAY[role].includes(row.action);
    const served = servedStatus(row);
    expect(answer.status, JSON.stringify(answer.json)).toBe(allowed ? served : 403);
    expect(answer.headers.get('audit-record')).toMatch(/^acme~0~1\/\d+;[0-9a-f]{64}$/);
    if (answer.status !== 200) expect(mem0.requests.length, 'nothing reaches Mem0').toBe(before);
  });

  it.each(GOVERNED.map((row) => [row.id, row] as const))('%s in another tenant', async (_id, row) => {
    const { method, path, body } = requestFor(row);
    const before = mem0.requests.length;
    const token = await rig.token('acme', role);
    const named = await rig.call(method, path, token, body, { 'x-tenant-id': 'globex' });
    expect(named.status).toBe(403);
    expect(mem0.requests.length, 'nothing reaches Mem0').toBe(before);
  });
});

it('every change left an intent before its outcome, and every decision is in the record', async () => {
  const changes = mem0.requests.filter(({ method, target }) => {
    return method === 'PUT' || method === 'DELETE' || (method === 'POST' && target === '/memories');
  });
  const records = await rig.recorded((all) => {
    const outcomes = all.filter(({ phase, operation }) => phase === 'outcome' && operation !== undefined);
    return new Set(outcomes.map(({ operation }) => operation)).size === GOVERNED.length;
  });
  const intents = records.filter(({ phase }) => phase === 'intent');
  // One role may make each change of the gateway's own.
  const own = GOVERNED.filter(({ dialect, action }) => dialect === 'governance' && action === 'admin');
  expect(intents).toHaveLength(changes.length + own.length);
  for (const intent of intents) {
    const closing = records.filter(
      ({ phase, request_id }) => phase !== 'intent' && request_id === intent.request_id,
    );
    expect(closing).toHaveLength(1);
    expect(closing[0]).toMatchObject({ phase: 'outcome', intent: { log: intent.log, index: intent.index } });
    expect(closing[0]!.index).toBeGreaterThan(intent.index);
  }
});
