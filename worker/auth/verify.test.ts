import { beforeEach, describe, expect, it } from 'vitest';
import { type Claims, FakeIssuer } from '../../tests/fakes/issuer.ts';
import { type IssuerConfig, issuersSchema } from './issuers.ts';
import { createVerifier, type Verifier } from './verify.ts';

const NOW = Math.floor(Date.now() / 1000);
const MS = NOW * 1000;

let one: FakeIssuer;
let two: FakeIssuer;
let verifier: Verifier;
let fetches: number;
let up: boolean;
let fetchKeys: typeof fetch;
let issuers: readonly IssuerConfig[];

/** Issuer 1 may assert acme and globex and no admin; issuer 2 umbrella and any role. */
beforeEach(async () => {
  one = await FakeIssuer.create({ issuer: 'https://one.example.com' });
  two = await FakeIssuer.create({ issuer: 'https://two.example.com', alg: 'ES256' });
  fetches = 0;
  up = true;
  fetchKeys = (async (url: string) => {
    fetches++;
    const { issuer } = [one, two].find((each) => url === `${each.issuer}/jwks`)!;
    return up
      ? Response.json([one, two].find((each) => each.issuer === issuer)!.jwks())
      : new Response('', { status: 500 });
  }) as typeof fetch;
  const common = { audience: one.audience, algorithms: ['RS256', 'ES256'] };
  issuers = issuersSchema.parse([
    {
      ...{ ...common, issuer: one.issuer, jwks_url: `${one.issuer}/jwks` },
      ...{ tenants: ['acme', 'globex'], roles: ['agent-writer', 'agent-reader'] },
    },
    {
      ...{
        ...common,
        issuer: two.issuer,
        jwks_url: `${two.issuer}/jwks`,
        tenants: ['umbrella'],
        roles: ['*'],
      },
      claims: { tenant: ['https://example.com/tenants'], roles: 'groups', session: 'ctx.session' },
    },
  ]);
  verifier = createVerifier(issuers, { fetch: fetchKeys, maxStaleMs: 3_600_000 });
});

async function token(issuer: FakeIssuer, claims: Claims) {
  const result = await verifier.verify(await issuer.sign(claims), MS);
  if (!result.ok) throw new Error(result.reason);
  return result.token;
}

describe('what a token grants', () => {
  it('a token as Keycloak makes it', async () => {
    const verified = await token(one, {
      ...{
        aud: ['mem0-gateway', 'account'],
        typ: 'Bearer',
        azp: 'cli',
        sid: 's-1',
        acr: '1',
        exp: NOW + 300,
        tenant_id: ['acme'],
      },
      realm_access: {
        roles: ['offline_access', 'agent-reader', 'uma_authorization', 'default-roles-agents'],
      },
    });
    expect(verified).toEqual({
      issuer: one.issuer,
      subject: 'user-1',
      actorHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      tenants: ['acme'],
      roles: ['agent-reader'],
      session: 's-1',
      mfa: false,
      expiresAt: NOW + 300,
    });
  });

  const TENANTS: readonly (readonly [string, unknown, string[]])[] = [
    ['text', 'acme', ['acme']],
    ['a list, by byte order and once', ['globex', 'acme', 'globex'], ['acme', 'globex']],
    ['another issuer’s tenant', 'umbrella', []],
    ['one of its own beside another’s', ['umbrella', 'acme'], ['acme']],
    ['the star itself', '*', []],
    ['a list as text', 'acme,globex', []],
    ['other case', 'ACME', []],
    ['blanks', ' acme', []],
    ['the tenant of strangers', '~strangers', []],
    ['a number', 1, []],
    ['an object', { acme: true }, []],
    ['a nested list', [['acme']], []],
    ['mixed types', [1, null, 'acme', {}], ['acme']],
    ['null', null, []],
    ['nothing', undefined, []],
  ];

  it.each(TENANTS)('tenant_id as %s', async (_what, tenant_id, tenants) => {
    expect((await token(one, { tenant_id })).tenants).toEqual(tenants);
  });

  it('roles that the issuer may not assert are ignored', async () => {
    const roles = ['admin', 'auditor', 'agent-writer', 'root'];
    expect((await token(one, { realm_access: { roles } })).roles).toEqual(['agent-writer']);
    expect((await token(two, { groups: roles })).roles).toEqual(['admin', 'agent-writer', 'auditor']);
  });

  it('claims are read at the configured paths only, names with dots too', async () => {
    const verified = await token(two, {
      ...{
        'https://example.com/tenants': 'umbrella',
        tenant_id: 'acme',
        ctx: { session: 's-2' },
        sid: 's-1',
      },
    });
    expect(verified).toMatchObject({ tenants: ['umbrella'], roles: [], session: 's-2' });
    const inherited = await token(two, { groups: 'auditor', ctx: 'text' });
    expect(inherited.roles).toEqual(['auditor']);
    expect(inherited.session).toBeUndefined();
  });

  it('equal subjects of two issuers are two actors', async () => {
    const [first, second] = [await token(one, { sub: 'bob' }), await token(two, { sub: 'bob' })];
    expect(first.actorHash).not.toBe(second.actorHash);
  });

  it('the acting party is told apart from the actor', async () => {
    expect(await token(one, { act: { sub: 'agent-7', act: { sub: 'older' } } })).toMatchObject({
      subject: 'user-1',
      actingParty: 'agent-7',
    });
    expect((await token(one, { act: { sub: 'a\nb' } })).actingParty).toBeUndefined();
    expect((await token(one, { act: 'agent-7' })).actingParty).toBeUndefined();
  });

  it.each([
    [{ amr: ['pwd', 'mfa'] }, true],
    [{ amr: ['otp'] }, true],
    [{ acr: 'mfa' }, true],
    [{ amr: ['pwd'] }, false],
    [{ amr: ['swk'] }, false],
    [{ amr: { mfa: true } }, false],
    [{ mfa: true }, false],
  ])('mfa: %j is %s', async (claims, mfa) => {
    expect((await token(one, claims)).mfa).toBe(mfa);
  });

  it('takes the typ header in any spelling that RFC 7515 allows, and clocks that are a little ahead', async () => {
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt', 'Application/AT+JWT']) {
      expect(await verifier.verify(await one.sign({}, { typ }), MS)).toMatchObject({ ok: true });
    }
    expect(await token(one, { iat: NOW + 30, nbf: NOW + 30, exp: NOW + 1 })).toMatchObject({
      expiresAt: NOW + 1,
    });
  });

  it('takes no typ header where that is configured, and then no other', async () => {
    const okta = createVerifier(
      issuersSchema.parse([
        {
          ...{ issuer: one.issuer, audience: one.audience, jwks_url: `${one.issuer}/jwks`, typ: [null] },
          ...{ algorithms: ['RS256'], tenants: ['acme'], roles: ['*'] },
        },
      ]),
      { fetch: (async () => Response.json(one.jwks())) as typeof fetch, maxStaleMs: 0 },
    );
    expect(await okta.verify(await one.sign({}, { typ: undefined }), MS)).toMatchObject({ ok: true });
    for (const typ of [null, '', 'JWT', 'null', [null]]) {
      expect(await okta.verify(await one.sign({}, { typ }), MS)).toMatchObject({ reason: 'typ_not_allowed' });
    }
  });
});

describe('a token that was verified', () => {
  it('is refused the moment it expires', async () => {
    const text = await one.sign({ exp: NOW + 10 });
    expect(await verifier.verify(text, MS)).toMatchObject({ ok: true });
    expect(await verifier.verify(text, MS + 9999)).toMatchObject({ ok: true });
    expect(await verifier.verify(text, MS + 10_000)).toMatchObject({ ok: false, reason: 'token_expired' });
  });

  it('is refused once its key has left the set', async () => {
    const text = await one.sign({});
    expect(await verifier.verify(text, MS)).toMatchObject({ ok: true });
    await one.rotate('key-2', { forget: true });
    // Another token makes the gateway look; the remembered one falls with the generation.
    expect(await verifier.verify(await one.sign({}), MS + 30_000)).toMatchObject({ ok: true });
    expect(await verifier.verify(text, MS + 30_001)).toMatchObject({ ok: false, reason: 'key_unknown' });
  });

  it('is refused at the latest when the keys are fetched anew', async () => {
    const text = await one.sign({ exp: NOW + 100_000 });
    await verifier.verify(text, MS);
    await one.rotate('key-2', { forget: true });
    expect(await verifier.verify(text, MS + 299_999)).toMatchObject({ ok: true });
    expect(await verifier.verify(text, MS + 600_000)).toMatchObject({ ok: false, reason: 'key_unknown' });
  });

  it('is refused by a gateway whose settings no longer name its issuer', async () => {
    const text = await two.sign({ 'https://example.com/tenants': 'umbrella', groups: ['admin'] });
    expect(await verifier.verify(text, MS)).toMatchObject({ ok: true });
    const without = createVerifier(issuers.slice(0, 1), { fetch: fetchKeys, maxStaleMs: 3_600_000 });
    expect(await without.verify(text, MS)).toMatchObject({ ok: false, reason: 'issuer_unknown' });
    expect(await without.verify(await one.sign({}), MS)).toMatchObject({ ok: true });
  });

  it('costs no fetch of its own', async () => {
    const texts = await Promise.all(Array.from({ length: 20 }, (_, jti) => one.sign({ jti })));
    const all = await Promise.all(texts.map((text) => verifier.verify(text, MS)));
    expect(all.every(({ ok }) => ok)).toBe(true);
    expect(fetches).toBe(1);
  });
});

describe('without keys', () => {
  it('nothing is said about a token: 503 and not 401', async () => {
    up = false;
    const unavailable = { ok: false, kind: 'keys_unavailable', reason: 'keys_unavailable' };
    expect(await verifier.verify(await one.sign({}), MS)).toEqual(unavailable);
    expect(await verifier.ready(MS)).toBe(false);
    up = true;
    expect(await verifier.ready(MS + 1000)).toBe(true);
    expect(await verifier.verify(await one.sign({}), MS + 1000)).toMatchObject({ ok: true });
  });

  it('what needs no key is refused without asking for one', async () => {
    expect(await verifier.verify(one.unsigned({}), MS)).toMatchObject({ reason: 'alg_not_allowed' });
    expect(await verifier.verify(await one.sign({ iss: 'https://evil.example.com' }), MS)).toMatchObject({
      reason: 'issuer_unknown',
    });
    expect(fetches).toBe(0);
  });

  it('a remembered token falls when the keys may no longer be served', async () => {
    const text = await one.sign({ exp: NOW + 100_000 });
    const last = MS + 600_000 + 3_600_000;
    await verifier.verify(text, MS);
    up = false;
    expect(await verifier.verify(text, last - 1)).toMatchObject({ ok: true });
    expect(await verifier.verify(text, last)).toMatchObject({ kind: 'keys_unavailable' });
  });
});
