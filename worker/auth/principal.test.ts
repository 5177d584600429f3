import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROLES } from '../../core/record.ts';
import type { VerifiedToken } from './claims.ts';
import { actorHash, type ContextHeaders, narrow } from './principal.ts';

const TOKEN: VerifiedToken = {
  issuer: 'https://id.example.com',
  subject: 'bob',
  actorHash: actorHash('https://id.example.com', 'bob'),
  actingParty: 'agent-7',
  tenants: ['acme', 'globex'],
  roles: ['agent-writer', 'agent-reader'],
  session: 's-1',
  mfa: true,
  expiresAt: 2_000_000_000,
};
const OPEN = { requireContextHeaders: false };
const STRICT = { requireContextHeaders: true };

const headers = (tenant: string | null = null, role: string | null = null): ContextHeaders => ({
  tenant,
  role,
});

describe('narrow', () => {
  it('gives what the token grants where nothing is asked', () => {
    const { tenants, ...rest } = { ...TOKEN, tenants: ['acme'] };
    expect(narrow({ ...rest, tenants }, headers(), OPEN)).toEqual({
      ok: true,
      principal: { ...rest, tenant: 'acme' },
    });
  });

  it('narrows to one tenant and one role', () => {
    expect(narrow(TOKEN, headers('globex', 'agent-reader'), STRICT)).toMatchObject({
      ok: true,
      principal: { tenant: 'globex', roles: ['agent-reader'], actorHash: TOKEN.actorHash, session: 's-1' },
    });
  });

  type Row = readonly [
    string,
    Partial<VerifiedToken>,
    ContextHeaders,
    400 | 403,
    string,
    string,
    string | undefined,
  ];
  const ROWS: readonly Row[] = [
    ['no tenant left', { tenants: [] }, headers('acme'), 403, 'forbidden', 'no_tenant', undefined],
    ['several tenants, none named', {}, headers(), 400, 'tenant_required', 'tenant_required', 'acme'],
    ['a tenant not granted', {}, headers('umbrella'), 403, 'forbidden', 'tenant_not_granted', 'acme'],
    ['a tenant in other case', {}, headers('ACME'), 403, 'forbidden', 'tenant_not_granted', 'acme'],
    ['the header twice', {}, headers('acme, globex'), 400, 'invalid_header', 'tenant_malformed', 'acme'],
    ['the same tenant twice', {}, headers('acme, acme'), 400, 'invalid_header', 'tenant_malformed', 'acme'],
    ['an empty tenant', {}, headers(''), 400, 'invalid_header', 'tenant_malformed', 'acme'],
    ['the tenant of strangers', {}, headers('~strangers'), 400, 'invalid_header', 'tenant_malformed', 'acme'],
    ['a shard of a tenant', {}, headers('acme~0~1'), 400, 'invalid_header', 'tenant_malformed', 'acme'],
    ['a role not granted', {}, headers('globex', 'admin'), 403, 'forbidden', 'role_not_granted', 'globex'],
    ['a role that is none', {}, headers('globex', 'root'), 403, 'forbidden', 'role_not_granted', 'globex'],
    [
      'a role of a prototype',
      {},
      headers('acme', 'constructor'),
      403,
      'forbidden',
      'role_not_granted',
      'acme',
    ],
    ['two roles', {}, headers('acme', 'admin, auditor'), 400, 'invalid_header', 'role_malformed', 'acme'],
    ['an empty role', {}, headers('acme', ''), 400, 'invalid_header', 'role_malformed', 'acme'],
    ['no role left', { roles: [] }, headers('globex'), 403, 'forbidden', 'no_role', 'globex'],
    ['no role left, one asked', { roles: [] }, headers('acme', 'admin'), 403, 'forbidden', 'no_role', 'acme'],
  ];

  it.each(ROWS)('%s', (_what, more, asked, status, code, reason, tenant) => {
    const refused = narrow({ ...TOKEN, ...more }, asked, OPEN);
    expect(refused).toMatchObject({ ok: false, status, code, reason });
    expect(!refused.ok && refused.identity?.tenant).toBe(tenant);
    if (tenant !== undefined) {
      expect(refused).toMatchObject({
        identity: {
          issuer: TOKEN.issuer,
          subject: 'bob',
          actorHash: TOKEN.actorHash,
          actingParty: 'agent-7',
        },
      });
    }
  });

  it.each([headers(), headers('acme'), headers(null, 'agent-reader')])(
    'strictly, %j is too little',
    (asked) => {
      const expected = { ok: false, status: 400, code: 'context_required', reason: 'context_required' };
      expect(narrow({ ...TOKEN, tenants: ['acme'] }, asked, STRICT)).toMatchObject(expected);
    },
  );

  it('never widens: tenant and roles are always among those granted', () => {
    const tenant = fc.constantFrom('acme', 'globex', 'umbrella');
    const role = fc.constantFrom(...ROLES);
    const word = fc.oneof(tenant, role, fc.string());
    const asked = fc.record({ tenant: fc.option(word), role: fc.option(word) });
    fc.assert(
      fc.property(
        fc.uniqueArray(tenant),
        fc.uniqueArray(role),
        asked,
        fc.boolean(),
        (tenants, roles, context, strict) => {
          const token = { ...TOKEN, tenants: tenants.sort(), roles };
          const narrowed = narrow(token, context, { requireContextHeaders: strict });
          const principal = narrowed.ok ? narrowed.principal : narrowed.identity;
          if (!principal) {
            expect(tenants).toEqual([]);
            return;
          }
          expect(tenants).toContain(principal.tenant);
          for (const each of principal.roles) expect(roles).toContain(each);
          if (!narrowed.ok) return;
          expect(principal.roles.length).toBeGreaterThan(0);
          if (context.tenant !== null) expect(principal.tenant).toBe(context.tenant);
          if (context.role !== null) expect(principal.roles).toEqual([context.role]);
        },
      ),
    );
  });
});

describe('actorHash', () => {
  it('is the SHA-256 of issuer NUL subject', () => {
    expect(actorHash('a', 'b')).toBe(
      createHash('sha256')
        .update(Buffer.from([0x61, 0, 0x62]))
        .digest('hex'),
    );
    expect(actorHash('ab', 'c')).not.toBe(actorHash('a', 'bc'));
  });
});
