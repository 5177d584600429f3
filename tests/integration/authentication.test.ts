import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeIssuer } from '../fakes/issuer.ts';
import { type FakeMem0, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// The attacks of RFC 8725 on the running gateway: all refused alike, all recorded with their reason.

let mem0: FakeMem0;
let rig: Rig;

beforeAll(async () => {
  mem0 = await startFakeMem0({ responder: presets.json({ results: [] }) });
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'upstream-key' } });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const PATH = '/memories?user_id=bob';
const GRANT = { tenant_id: 'acme', realm_access: { roles: ['agent-reader'] } };
const now = () => Math.floor(Date.now() / 1000);

const ATTACKS: readonly (readonly [string, () => Promise<string> | string])[] = [
  ['no signature', () => rig.issuer.unsigned(GRANT)],
  ['alg None with a signature', () => rig.issuer.sign(GRANT, { alg: 'None' })],
  ['HS256 with the public key', () => rig.issuer.confused(GRANT)],
  ['RS256 over an ES256 key', () => rig.issuer.sign(GRANT, { alg: 'RS256' })],
  ['an unknown issuer', () => rig.issuer.sign({ ...GRANT, iss: 'http://127.0.0.1:1' })],
  ['another audience', () => rig.issuer.sign({ ...GRANT, aud: 'account' })],
  ['another typ', () => rig.issuer.sign(GRANT, { typ: 'logout+jwt' })],
  ['expired', () => rig.issuer.sign({ ...GRANT, exp: now() - 120 })],
  ['not yet valid', () => rig.issuer.sign({ ...GRANT, nbf: now() + 600 })],
  ['issued in the future', () => rig.issuer.sign({ ...GRANT, iat: now() + 600 })],
  ['no exp', () => rig.issuer.sign({ ...GRANT, exp: undefined })],
  ['no sub', () => rig.issuer.sign({ ...GRANT, sub: undefined })],
  ['an unknown kid', () => rig.issuer.sign(GRANT, { kid: 'nobody' })],
  ['a kid that is a path', () => rig.issuer.sign(GRANT, { kid: '../../etc/passwd' })],
  ['no kid', () => rig.issuer.sign(GRANT, { kid: undefined })],
  ['an embedded key', () => rig.issuer.sign(GRANT, { jwk: rig.issuer.key.jwk })],
  ['a key set of its own', () => rig.issuer.sign(GRANT, { jku: 'http://127.0.0.1:1/jwks' })],
  ['a critical header', () => rig.issuer.sign(GRANT, { crit: ['x'], x: 1 })],
  ['oversized', () => rig.issuer.sign({ ...GRANT, padding: 'x'.repeat(10_000) })],
  [
    'another key under the same kid',
    async () => {
      const other = await FakeIssuer.create({
        issuer: rig.issuer.issuer,
        audience: 'mem0-governance',
        alg: 'ES256',
      });
      return other.sign(GRANT);
    },
  ],
  ['an ID token', () => rig.issuer.sign({ ...GRANT, typ: 'ID', at_hash: 'x' })],
  ['an ID token that does not say so', () => rig.issuer.sign({ ...GRANT, at_hash: 'x' })],
  ['a refresh token', () => rig.issuer.sign({ ...GRANT, typ: 'Refresh' })],
  ['a token bound to a key', () => rig.issuer.sign({ ...GRANT, typ: 'DPoP', cnf: { jkt: 'x' } })],
  ['a token bound to a certificate', () => rig.issuer.sign({ ...GRANT, cnf: { 'x5t#S256': 'x' } })],
  ['no token at all', () => 'not-a-token'],
];

describe('attacks on tokens', () => {
  it('control: the same grant in a good token is served', async () => {
    const keycloak = await rig.issuer.sign({ ...GRANT, typ: 'Bearer' });
    expect((await rig.call('GET', PATH, keycloak)).status).toBe(200);
    expect((await rig.call('GET', PATH, await rig.issuer.sign(GRANT))).status).toBe(200);
  });

  it.each(ATTACKS)('refuses %s, and tells the attacker nothing', async (_what, make) => {
    const before = mem0.requests.length;
    const answer = await rig.call('GET', PATH, await make());
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(
      'Bearer realm="mem0-governance", error="invalid_token"',
    );
    expect(answer.headers.has('audit-record')).toBe(false);
    expect({ ...answer.json, request_id: '' }).toEqual({
      type: 'urn:mem0-governance:problem:unauthenticated',
      title: 'Authentication is required',
      status: 401,
      detail: 'Send a valid access token.',
      code: 'unauthenticated',
      request_id: '',
    });
    expect(mem0.requests.length).toBe(before);
  });

  it('asks for a token where there is none, without an error code (RFC 6750 §3.1)', async () => {
    const answer = await rig.call('GET', PATH);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="mem0-governance"');
  });

  it('recorded every reason among the strangers, with nothing of the caller', async () => {
    const records = await rig.recorded(
      (all) =>
        new Set(all.filter(({ tenant }) => tenant === '~strangers').flatMap((r) => r.reasons)).size >= 12,
    );
    const strangers = records.filter(({ tenant }) => tenant === '~strangers');
    for (const record of strangers) {
      expect(record.decision).toBe('unauthenticated');
      expect(record.client).toBe('loopback');
      expect(record.actor).toBeUndefined();
      expect(record.log).toBe('~strangers~0~1');
    }
  });
});

describe('credentials', () => {
  it.each([
    ['Authorization: Bearer', (token: string) => ({ authorization: `Bearer ${token}` })],
    ['Authorization: Token', (token: string) => ({ authorization: `Token ${token}` })],
    ['X-API-Key', (token: string) => ({ 'x-api-key': token })],
    ['two that are equal', (token: string) => ({ authorization: `Token ${token}`, 'x-api-key': token })],
  ])('%s is read', async (_what, headers) => {
    const answer = await rig.call('GET', PATH, undefined, undefined, headers(await rig.issuer.sign(GRANT)));
    expect(answer.status).toBe(200);
  });

  it('two that differ are refused', async () => {
    const [one, two] = [await rig.issuer.sign(GRANT), await rig.issuer.sign({ ...GRANT, jti: '2' })];
    const answer = await rig.call('GET', PATH, one, undefined, { 'x-api-key': two });
    expect(answer.status).toBe(401);
  });

  it('X-User-Id is no identity', async () => {
    const token = await rig.token('acme', 'agent-reader', 'honest');
    await rig.call('GET', PATH, token, undefined, { 'x-user-id': 'somebody-else' });
    const records = await rig.recorded((all) => all.some(({ actor }) => actor?.sub === 'honest'));
    expect(records.some(({ actor }) => actor?.sub === 'somebody-else')).toBe(false);
  });
});

describe('narrowing', () => {
  it('a token for several tenants has to name one', async () => {
    const token = await rig.token(['globex', 'acme'], 'agent-reader', 'both');
    const unnamed = await rig.call('GET', PATH, token);
    expect(unnamed.status).toBe(400);
    expect(unnamed.json.code).toBe('tenant_required');
    expect(unnamed.headers.get('audit-record')).toMatch(/^acme~0~1\//);
    const named = await rig.call('GET', PATH, token, undefined, { 'x-tenant-id': 'globex' });
    expect(named.status).toBe(200);
    expect(named.headers.get('audit-record')).toMatch(/^globex~0~1\//);
  });

  it('a role can be given up, and none can be taken', async () => {
    const token = await rig.token('acme', ['admin', 'agent-reader'], 'narrow');
    const asReader = { 'x-user-role': 'agent-reader' };
    expect((await rig.call('DELETE', '/memories?user_id=bob', token, undefined, asReader)).status).toBe(403);
    const asAuditor = { 'x-user-role': 'auditor' };
    expect((await rig.call('GET', PATH, token, undefined, asAuditor)).status).toBe(403);
  });

  it('a token with no tenant left is a stranger', async () => {
    const answer = await rig.call('GET', PATH, await rig.token('initech', 'admin', 'lost'));
    expect(answer.status).toBe(403);
    expect(answer.headers.has('audit-record')).toBe(false);
  });
});
