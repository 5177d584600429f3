import { expect, it } from 'vitest';
import { buildInput, type Facts } from './facts.ts';

const FACTS: Facts = {
  action: 'delete',
  operation: 'oss.memories.delete',
  resource: 'memory',
  path: '/memories/{memory_id}',
  roles: ['admin', 'auditor'],
  tenant: 'acme',
  resourceTenant: 'globex',
  now: 1_767_225_600_123,
  country: 'DE',
  tls: 'TLSv1.3',
  mfa: true,
};

it('names the facts as the policy knows them', () => {
  expect(buildInput(FACTS)).toEqual({
    action: 'delete',
    operation: 'oss.memories.delete',
    roles: ['admin', 'auditor'],
    tenant: 'acme',
    resource_tenant: 'globex',
    resource: 'memory /memories/{memory_id}',
    context: {
      time: '2026-01-01T00:00:00.123Z',
      time_ms: 1_767_225_600_123,
      country: 'DE',
      tls: 'TLSv1.3',
      mfa: true,
    },
    grant: null,
  });
});

it('says null for what the platform does not know', () => {
  const { context } = buildInput({ ...FACTS, country: null, tls: null, mfa: false });
  expect(context).toMatchObject({ country: null, tls: null, mfa: false });
});

it('passes on nothing but what it is asked for', () => {
  const more = { ...FACTS, email: 'someone@example.com', authorization: 'Bearer x', body: { text: 'x' } };
  expect(buildInput(more)).toEqual(buildInput(FACTS));
});
