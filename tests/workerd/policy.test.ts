import { expect, it } from 'vitest';
import { buildInput } from '../../worker/policy/facts.ts';
import { loadPolicy } from '../../worker/policy/load.ts';

const REQUEST = buildInput({
  action: 'delete',
  operation: 'oss.memories.delete',
  resource: 'memory',
  path: '/memories/{memory_id}',
  roles: ['admin'],
  tenant: 'acme',
  resourceTenant: 'acme',
  now: 1_767_225_600_000,
  country: null,
  tls: null,
  mfa: false,
});

it('decides by the bundled module and names its digest', () => {
  const policy = loadPolicy();
  const decision = policy.decide(REQUEST);
  expect(decision).toMatchObject({ allow: true, reasons: ['role_admin'], obligations: {} });
  expect(decision.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(policy.decide({ ...REQUEST, roles: ['agent-writer'] })).toEqual({
    allow: false,
    reasons: ['no_matching_rule'],
    obligations: {},
    digest: decision.digest,
  });
});

it('makes a new instance after an aborted evaluation, although no code may be compiled here', () => {
  const policy = loadPolicy();
  const deep = new TextEncoder().encode(`${'['.repeat(200_000)}${']'.repeat(200_000)}`).buffer;
  for (let i = 0; i < 3; i += 1) {
    expect(policy.decide(deep).reasons).toEqual(['policy_unreadable']);
    expect(policy.decide(REQUEST).allow).toBe(true);
  }
});
