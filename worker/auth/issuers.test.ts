import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grantedTenants } from './claims.ts';
import { issuersSchema } from './issuers.ts';

const ISSUER = {
  issuer: 'https://id.example.com',
  audience: 'mem0-governance',
  jwks_url: 'https://id.example.com/jwks',
  algorithms: ['RS256'],
  tenants: ['acme'],
  roles: ['admin'],
};

describe('the issuers of a deployment', () => {
  it('have defaults that fit Keycloak', () => {
    expect(issuersSchema.parse([ISSUER])[0]).toMatchObject({
      typ: ['at+jwt', 'jwt'],
      claims: { tenant: ['tenant_id'], roles: ['realm_access', 'roles'], session: ['sid'] },
    });
  });

  it('may name some claims and leave the others', () => {
    const [issuer] = issuersSchema.parse([
      { ...ISSUER, claims: { roles: 'a.b' }, typ: ['application/AT+JWT'] },
    ]);
    expect(issuer).toMatchObject({ typ: ['at+jwt'], claims: { tenant: ['tenant_id'], roles: ['a', 'b'] } });
  });

  const BAD: readonly (readonly [string, unknown])[] = [
    ['none at all', []],
    ['the same twice', [ISSUER, { ...ISSUER, jwks_url: 'https://other.example.com/jwks' }]],
    ...(
      [
        ['a symmetric algorithm', { algorithms: ['HS256'] }],
        ['no signature', { algorithms: ['none'] }],
        ['no algorithm', { algorithms: [] }],
        ['tenants left out', { tenants: undefined }],
        ['no tenant', { tenants: [] }],
        ['the star among tenants', { tenants: ['*', 'acme'] }],
        ['a tenant that is none', { tenants: ['~strangers'] }],
        ['roles left out', { roles: undefined }],
        ['an unknown role', { roles: ['root'] }],
        ['no audience', { audience: '' }],
        ['an issuer that is no URL', { issuer: 'me' }],
        ['keys in a file', { jwks_url: 'file:///etc/keys' }],
        ['keys with a password', { jwks_url: 'https://a:b@id.example.com/jwks' }],
        ['keys with a fragment', { jwks_url: 'https://id.example.com/jwks#a' }],
        ['an empty typ', { typ: [''] }],
        ['a path with a hole', { claims: { tenant: 'a..b' } }],
        ['an empty path', { claims: { tenant: [] } }],
        ['a misspelt member', { jwks_uri: 'https://id.example.com/jwks' }],
      ] as const
    ).map(([what, change]) => [what, [{ ...ISSUER, ...change }]] as const),
  ];

  it.each(BAD)('are refused with %s', (_what, issuers) => {
    expect(issuersSchema.safeParse(issuers).success).toBe(false);
  });

  it('may assert any tenant id with the star, and nothing that is none', () => {
    const [issuer] = issuersSchema.parse([{ ...ISSUER, tenants: ['*'] }]);
    const bad = [
      '~strangers',
      'acme~0~1',
      'acme:x',
      '*',
      '',
      '.',
      '-a',
      'a b',
      'a/b',
      'é',
      'a\n',
      'x'.repeat(65),
    ];
    expect(grantedTenants({ tenant_id: [...bad, 'zeta', 'Acme', 'acme'] }, issuer!)).toEqual([
      'Acme',
      'acme',
      'zeta',
    ]);
  });

  it('any claim path leads to its own value and to no other', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
    const path = fc.array(name, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(path, path, (there, elsewhere) => {
        const claims = there.reduceRight<unknown>((value, step) => ({ [step]: value }), 'acme');
        const at = (tenant: string[]) =>
          grantedTenants(
            claims as object as { [name: string]: unknown },
            issuersSchema.parse([{ ...ISSUER, claims: { tenant } }])[0]!,
          );
        expect(at(there)).toEqual(['acme']);
        const same = JSON.stringify(there) === JSON.stringify(elsewhere);
        expect(at(elsewhere)).toEqual(same ? ['acme'] : []);
      }),
    );
  });
});
