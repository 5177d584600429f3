import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { type Answer, type Rig, startRig } from './rig.ts';

// What the gateway says of a caller, and of a request that nobody sends.

let mem0: FakeMem0;
let rig: Rig;
let writer: string;
let auditor: string;

beforeAll(async () => {
  mem0 = await startFakeMem0();
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'upstream-key' } });
  writer = await rig.token('acme', 'agent-writer', 'wendy');
  auditor = await rig.token('acme', 'auditor', 'audrey');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

function fits(operation: string, answer: Answer): void {
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
  ANSWERS[operation]!.schema.parse(answer.json);
}

describe('whoami', () => {
  it('names the caller, the rate that is left, and what the policy allows', async () => {
    const answer = await rig.call('GET', '/governance/v1/whoami', writer);
    fits('governance.whoami', answer);
    const { principal, rate, actions, operations } = answer.json;
    expect(principal).toMatchObject({
      subject: 'wendy',
      tenant: 'acme',
      roles: ['agent-writer'],
      mfa: false,
    });
    expect(rate.remaining).toBe(Number(answer.headers.get('x-ratelimit-remaining')));
    expect(Object.fromEntries(actions.map(({ action, allow }: never) => [action, allow]))).toEqual({
      ...{ read: true, write: true, delete: false, audit_read: false, admin: false, self: true },
    });
    expect(operations).toContain('oss.memories.add');
    expect(operations).not.toContain('oss.memories.delete');
    expect(operations).not.toContain('governance.audit.list');
    expect(operations).toContain('platform.memories.add');
    expect(operations).not.toContain('platform.memories.delete');
    expect(operations).not.toContain('platform.summary.get');
  });
});

describe('explain', () => {
  const explain = (described: object, token = auditor) =>
    rig.call('POST', '/governance/v1/explain', token, described);

  it('shows row, facts, decision and the scoped request, and asks Mem0 nothing', async () => {
    const before = mem0.requests.length;
    const answer = await explain({
      method: 'POST',
      path: '/search',
      body: { query: 'tea', filters: { user_id: 'bob' } },
      roles: ['agent-reader'],
    });
    fits('governance.explain', answer);
    expect(answer.json).toMatchObject({
      answer: 'allowed',
      refusal: null,
      operation: { id: 'oss.memories.search', action: 'read' },
      facts: { tenant: 'acme', resource_tenant: 'acme', roles: ['agent-reader'], action: 'read' },
      decision: { allow: true, reasons: ['role_agent_reader'] },
      upstream: [{ method: 'POST', path: '/search', query: '', body: { filters: { user_id: 'acme:bob' } } }],
      not_evaluated: ['ownership', 'rate', 'session'],
    });
    expect(mem0.requests.length).toBe(before);
    expect(JSON.stringify(answer.json)).not.toMatch(/upstream-key|127\.0\.0\.1/);
  });

  it('shows what a call of the Platform’s dialect becomes', async () => {
    const filters = { AND: [{ user_id: 'bob' }, { metadata: { city: 'Bern' } }] };
    const { json } = await explain({
      ...{ method: 'POST', path: '/v3/memories/search/', roles: ['agent-reader'] },
      body: { query: 'tea', filters },
    });
    expect(json).toMatchObject({
      answer: 'allowed',
      operation: { id: 'platform.memories.search', serve: 'translate' },
      upstream: [{ path: '/search', body: { query: 'tea', top_k: 1000, filters: { user_id: 'acme:bob' } } }],
    });
  });

  it('shows the listing that comes before a delete by filter', async () => {
    const { json } = await explain({ method: 'DELETE', path: '/memories?user_id=bob', roles: ['admin'] });
    expect(json).toMatchObject({
      answer: 'allowed',
      listing: { method: 'GET', path: '/memories' },
      upstream: [{ method: 'DELETE', path: '/memories', query: 'user_id=acme%3Abob' }],
    });
  });

  it.each([
    [{ method: 'DELETE', path: '/memories?user_id=bob', roles: ['agent-writer'] }, 403, 'no_matching_rule'],
    [{ method: 'POST', path: '/reset', roles: ['admin'] }, 403, 'operation_denied'],
    [{ method: 'GET', path: '/nowhere', roles: ['admin'] }, 404, 'unknown_route'],
    [{ method: 'PATCH', path: '/search', roles: ['admin'] }, 405, 'unknown_route'],
    [{ method: 'GET', path: '/memories', roles: ['admin'] }, 400, 'scope_required'],
    [{ method: 'GET', path: '/memories?user_id=*', roles: ['admin'] }, 400, 'id_wildcard'],
    [{ method: 'GET', path: '/a/../memories', roles: ['admin'] }, 400, 'dot_segment'],
    [{ method: 'GET', path: '@evil/memories', roles: ['admin'] }, 400, 'target_form'],
    [{ method: 'POST', path: '/v1/summary/', body: {}, roles: ['admin'] }, 501, 'not_served'],
    [{ method: 'DELETE', path: '/v1/memories/?user_id=*', roles: ['admin'] }, 400, 'id_wildcard'],
    [{ method: 'GET', path: '/governance/v1/audit/globex~0~1/3', roles: ['admin'] }, 404, 'tenant_mismatch'],
    [
      { method: 'POST', path: '/search', body: { query: 'x', nope: 1 }, roles: ['admin'] },
      400,
      'unknown_body_key',
    ],
  ] as const)('says how %j is refused', async (described, status, reason) => {
    const { json } = await explain(described);
    expect(json).toMatchObject({ answer: 'refused', refusal: { status, reason }, upstream: null });
  });

  it('describes its own operations and the public ones', async () => {
    const audited = await explain({ method: 'GET', path: '/governance/v1/audit', roles: ['auditor'] });
    expect(audited.json).toMatchObject({ answer: 'allowed', upstream: null });
    expect((await explain({ method: 'GET', path: '/health', roles: ['auditor'] })).json.answer).toBe(
      'public',
    );
  });

  it.each([
    { path: '/search', roles: ['admin'] },
    { method: 'GET', path: '/search', roles: [] },
    { method: 'GET', path: '/search', roles: ['root'] },
    { method: 'GET', path: '/search', roles: ['admin'], tenant: 'globex' },
  ])('refuses a description that is none: %j', async (described) => {
    expect((await explain(described)).status).toBe(400);
  });

  it('is for those who may read the audit log', async () => {
    expect((await explain({ method: 'GET', path: '/x', roles: ['admin'] }, writer)).status).toBe(403);
  });
});
