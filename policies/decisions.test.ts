import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type Action, ROLES, type Role } from '../core/record.ts';
import { buildInput } from '../worker/policy/facts.ts';
import { createPolicy } from '../worker/policy/policy.ts';
import { decisionTable } from './table.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url));
const json = (path: string) => JSON.parse(read(path).toString('utf8'));

const DIGEST = 'd'.repeat(64);
const module = new WebAssembly.Module(read('module/policy.wasm'));
const policy = createPolicy(module, json('data.json'), DIGEST);
const { base, rows } = decisionTable();

const ACTIONS: readonly Action[] = ['read', 'write', 'delete', 'audit_read', 'admin', 'self'];

describe('the decision table', () => {
  it.each(rows.map((row) => [row.title, row] as const))('%s', (_title, { input, decision }) => {
    expect(policy.decide(input)).toEqual({ ...decision, digest: DIGEST });
  });

  it('has every role, action and relation', () => {
    const titles = new Set(rows.map(({ title }) => title));
    for (const role of ROLES) {
      for (const action of ACTIONS) {
        expect(titles).toContain(`${role}, ${action}, own tenant`);
        expect(titles).toContain(`${role}, ${action}, other tenant`);
      }
    }
  });
});

/** Who may do what, written a second time and otherwise: by action. */
function mayDo(role: Role, action: Action): boolean {
  if (action === 'self') return true;
  if (action === 'audit_read') return role === 'admin' || role === 'auditor';
  if (action === 'read') return role !== 'auditor';
  if (action === 'write') return role === 'admin' || role === 'agent-writer';
  return role === 'admin';
}

it('decides every set of roles, action and pair of tenants as the model does', () => {
  let decided = 0;
  for (let bits = 0; bits < 1 << ROLES.length; bits += 1) {
    const roles = ROLES.filter((_, i) => (bits & (1 << i)) !== 0);
    for (const action of ACTIONS) {
      for (const [tenant, resourceTenant] of [
        ['acme', 'acme'],
        ['globex', 'globex'],
        ['acme', 'globex'],
        ['globex', 'acme'],
        ['acme', 'Acme'],
      ] as const) {
        const input = facts({ roles, action, tenant, resourceTenant });
        const granting = roles.filter((role) => mayDo(role, action));
        const denials = [
          ...(roles.length === 0 ? ['no_roles'] : []),
          ...(tenant === resourceTenant ? [] : ['tenant_mismatch']),
        ];
        const allow = denials.length === 0 && granting.length > 0;
        const named = granting.map((role) => `role_${role.replaceAll('-', '_')}`).sort();
        const reasons = allow ? named : denials.length > 0 ? denials : ['no_matching_rule'];
        expect(policy.decide(input), JSON.stringify({ roles, action, tenant, resourceTenant })).toEqual({
          allow,
          reasons,
          obligations: {},
          digest: DIGEST,
        });
        decided += 1;
      }
    }
  }
  expect(decided).toBe(16 * 6 * 5);
});

it('sorts the reasons of any number of roles, which a set of a compiled policy does not', () => {
  const roles = Array.from({ length: 40 }, (_, i) => `role-${i}`);
  const granting = Object.fromEntries(roles.map((role) => [role, ['read']]));
  const wide = createPolicy(module, { mem0: { roles: granting } }, DIGEST);
  const reasons = roles.map((role) => `role_${role.replaceAll('-', '_')}`).sort();
  expect(wide.decide({ ...base, action: 'read', roles })).toMatchObject({ allow: true, reasons });
});

function facts(part: { roles: readonly Role[]; action: Action; tenant: string; resourceTenant: string }) {
  return buildInput({
    ...part,
    operation: 'oss.memories.get',
    resource: 'memory',
    path: '/memories/{memory_id}',
    now: 1_767_225_600_000,
    country: 'DE',
    tls: 'TLSv1.3',
    mfa: true,
  });
}

describe('the input schema', () => {
  const schema = json('schemas/input.json');
  // Unknown members are an error when a rule is written, and none when a request is decided.
  const lenient = { ...schema, additionalProperties: true };
  lenient.properties = {
    ...schema.properties,
    context: { ...schema.properties.context, additionalProperties: true },
  };

  it('takes what the gateway builds, member for member', () => {
    const input = facts({ roles: ['auditor'], action: 'audit_read', tenant: 'acme', resourceTenant: 'acme' });
    expect(z.fromJSONSchema(schema).safeParse(input).error).toBeUndefined();
    expect(Object.keys(input).sort()).toEqual(Object.keys(schema.properties).sort());
    expect(Object.keys(input).sort()).toEqual(Object.keys(base).sort());
  });

  it('calls malformed what the policy calls malformed', () => {
    const strict = z.fromJSONSchema(lenient);
    for (const { title, input, decision } of rows) {
      expect(strict.safeParse(input).success, title).toBe(!decision.reasons.includes('malformed_input'));
    }
  });
});
