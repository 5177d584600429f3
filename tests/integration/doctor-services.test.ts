import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { identityChecks } from '../../scripts/lib/doctor/identity.ts';
import { mem0Checks } from '../../scripts/lib/doctor/mem0.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { type FakeMem0, presets, type Responder, startFakeMem0 } from '../fakes/mem0.ts';
import { given, type Site, startSite, texts } from './doctor-rig.ts';

const KEY = 'the-key-of-mem0';

/** Serves who has the key, as Mem0 does; what others get is the test's choice. */
const closed =
  (others: Responder = presets.error(401, { detail: 'no' })): Responder =>
  (request, response) => {
    const key = request.headers.find(([name]) => name.toLowerCase() === 'x-api-key')?.[1];
    return (key === KEY ? presets.json({ results: [] }) : others)(request, response);
  };

describe('Mem0', () => {
  let mem0: FakeMem0;
  beforeAll(async () => {
    mem0 = await startFakeMem0();
  });
  afterAll(() => mem0.stop());

  const check = (responder: Responder, key = KEY) => {
    mem0.respond(responder);
    mem0.requests.length = 0;
    return mem0Checks(given({ MEM0_ORIGIN: mem0.url, MEM0_API_KEY: key }));
  };

  it('passes when it serves the key and refuses everybody else', async () => {
    expect(texts(await check(closed()), 'ok')).toEqual([
      'Mem0 answers with the key',
      'Mem0 refuses a call without a key',
      'Mem0 refuses a call with a wrong key',
    ]);
    expect(mem0.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);
    for (const { target } of mem0.requests)
      expect(target).toMatch(/^\/memories\?user_id=doctor-[0-9a-f-]{36}$/);
  });

  it('is looked for of every tenant that has its own', async () => {
    mem0.respond(closed());
    const silo = (key: string) => JSON.stringify({ origin: mem0.url, key });
    const values = { MEM0_ORIGIN: mem0.url, MEM0_API_KEY: KEY, ENVIRONMENT: 'dev', TRANSPORT: 'loopback' };
    const tenants = {
      environment: 'dev',
      tenants: { initech: { mem0: { secret: 'MEM0_A' } }, hooli: { mem0: { secret: 'MEM0_B' } } },
    };
    const found = await mem0Checks(given({ ...values, MEM0_A: silo(KEY), MEM0_B: silo('old') }, { tenants }));
    expect(texts(found, 'ok')).toContain('of tenant initech: Mem0 answers with the key');
    expect(texts(found, 'failed')).toEqual(['of tenant hooli: Mem0 refuses the key']);
    const bad = await mem0Checks(given(values, { tenants }));
    expect(texts(bad, 'unknown')).toEqual(['not asked: a Mem0 of a single tenant']);
  });

  it('is asked in its own dialect', async () => {
    mem0.requests.length = 0;
    mem0.respond(presets.json({ status: 'ok' }));
    await mem0Checks(
      given({ MEM0_ORIGIN: mem0.url, MEM0_API_KEY: KEY, MEM0_KIND: 'platform', ENVIRONMENT: 'dev' }),
    );
    expect(mem0.requests[0]).toMatchObject({ target: '/v1/ping/' });
    expect(mem0.requests[0]!.headers).toContainEqual(['authorization', `Token ${KEY}`]);
  });

  it('fails when it is open', async () => {
    const open = await check(presets.json({ results: [] }));
    expect(texts(open, 'failed')).toEqual([
      'Mem0 is open to anybody who reaches it: it serves a call without a key',
      'Mem0 is open to anybody who reaches it: it serves a call with a wrong key',
    ]);
    expect(texts(await check(presets.oversize(300_000)), 'failed')).toHaveLength(3);
  });

  it('fails when it takes any key', async () => {
    const anyKey: Responder = (request, response) => {
      const has = request.headers.some(([name]) => name.toLowerCase() === 'x-api-key');
      return (has ? presets.json({ results: [] }) : presets.error(401))(request, response);
    };
    expect(texts(await check(anyKey), 'failed')).toEqual([
      'Mem0 is open to anybody who reaches it: it serves a call with a wrong key',
    ]);
  });

  it('fails when it refuses our key, and serves who has none', async () => {
    const noKey: Responder = (request, response) => {
      const has = request.headers.some(([name]) => name.toLowerCase() === 'x-api-key');
      return (has ? presets.error(403) : presets.json({ results: [] }))(request, response);
    };
    expect(texts(await check(noKey), 'failed')).toEqual([
      'Mem0 is open to anybody who reaches it: it serves a call without a key',
    ]);
  });

  it('fails when it redirects, and follows nowhere', async () => {
    const found = await check(presets.redirect('/memories'));
    expect(texts(found, 'failed')).toEqual(['Mem0 answers with a redirect, which the gateway never follows']);
    expect(mem0.requests).toHaveLength(3);
  });

  it('fails when it refuses our key, and does not say which', async () => {
    const found = await check(closed(), 'another-key');
    expect(texts(found, 'failed')).toEqual(['Mem0 refuses the key']);
    expect(JSON.stringify(found)).not.toContain('another-key');
  });

  it('does not take an error for a refusal', async () => {
    const found = await check(closed(presets.error(500)));
    expect(texts(found, 'unknown')).toHaveLength(2);
  });

  it('does not know when nothing answers, or a firewall does', async () => {
    expect(texts(await check(presets.error(403)), 'unknown')).toEqual([
      'Mem0 answers 403 from here, also with the key',
    ]);
    const found = await mem0Checks(given({ MEM0_ORIGIN: 'http://127.0.0.1:1', MEM0_API_KEY: KEY }));
    expect(texts(found, 'unknown')).toEqual(['Mem0 cannot be reached from here']);
  });
});

describe('identity providers', () => {
  let site: Site;
  let issuer: FakeIssuer;
  beforeAll(async () => {
    site = await startSite();
    issuer = await FakeIssuer.create({ issuer: site.url, alg: 'ES256' });
  });
  beforeEach(() => {
    site.pages = { '/jwks': issuer.jwks() };
  });
  afterAll(() => site.stop());

  const check = (over: object = {}) =>
    identityChecks(
      given({
        ISSUERS: JSON.stringify([
          {
            issuer: site.url,
            audience: 'mem0-governance',
            jwks_url: `${site.url}/jwks`,
            algorithms: ['ES256', 'RS256'],
            tenants: ['acme'],
            roles: ['admin'],
            ...over,
          },
        ]),
      }),
    );
  const discovery = '/.well-known/openid-configuration';

  it('pass with a key for one of the algorithms', async () => {
    expect(texts(await check(), 'ok')).toEqual([
      `${site.url}: keys for ES256 1, RS256 0`,
      `${site.url}: it has no discovery document`,
    ]);
    site.pages[discovery] = { issuer: site.url, jwks_uri: `${site.url}/jwks` };
    expect(texts(await check(), 'ok')).toContain(`${site.url}: its discovery document agrees`);
  });

  it('are held to the name in their document', async () => {
    site.pages[discovery] = { issuer: `${site.url}/`, jwks_uri: `${site.url}/jwks` };
    expect(texts(await check(), 'failed')).toEqual([
      `${site.url}: its discovery document names another issuer`,
    ]);
    site.pages[discovery] = { issuer: site.url, jwks_uri: `${site.url}/other` };
    expect(texts(await check(), 'unknown')).toEqual([
      `${site.url}: its discovery document names another key set than jwks_url`,
    ]);
  });

  it('are found under the path that RFC 8414 makes of their name', async () => {
    const name = `${site.url}/realms/one`;
    site.pages['/.well-known/oauth-authorization-server/realms/one'] = {
      issuer: name,
      jwks_uri: `${site.url}/jwks`,
    };
    expect(texts(await check({ issuer: name }), 'ok')).toContain(`${name}: its discovery document agrees`);
  });

  it.each<[string, () => unknown, string]>([
    ['a redirect', () => '/elsewhere', 'the key set is answered with 302, and redirects are not followed'],
    ['a missing page', () => undefined, 'the key set is answered with 404'],
    ['something else', () => ({ hello: 'world' }), 'what is at jwks_url is no key set'],
    ['too much', () => ({ keys: [], more: 'x'.repeat(300_000) }), 'the key set has more than 256 KiB'],
    ['no key', () => ({ keys: [] }), 'no key of the set can verify ES256, RS256'],
    [
      'keys for encryption only',
      () => ({ keys: issuer.jwks().keys.map((key) => ({ ...key, use: 'enc' })) }),
      'no key of the set can verify ES256, RS256',
    ],
    [
      'keys without a name',
      () => ({ keys: issuer.jwks().keys.map(({ kid, ...key }) => key) }),
      'no key of the set can verify ES256, RS256',
    ],
    [
      'a private key',
      () => ({ keys: issuer.jwks().keys.map((key) => ({ ...key, d: 'AAAA' })) }),
      'the key set holds a secret key',
    ],
  ])('fail with %s', async (_what, page, failure) => {
    site.pages['/jwks'] = page();
    expect(texts(await check(), 'failed')).toEqual([`${site.url}: ${failure}`]);
  });

  it('fail when the set has keys of other algorithms only', async () => {
    expect(texts(await check({ algorithms: ['RS256', 'ES384', 'EdDSA'] }), 'failed')).toHaveLength(1);
  });

  it('fail when nothing answers', async () => {
    expect(texts(await check({ jwks_url: 'http://127.0.0.1:1/jwks' }), 'failed')).toEqual([
      `${site.url}: the key set cannot be reached`,
    ]);
  });
});
