import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createSigningKey } from './identity/keys.ts';
import { AUDIENCE, fetchToken, type Identity, type IdentityOptions, startIdentity } from './identity.ts';

const CLIENTS = [
  { id: 'acme-writer', secret: 'a secret with: % and +', tenants: ['acme'], roles: ['agent-writer'] },
  { id: 'both-auditor', secret: 's2', tenants: ['acme', 'globex'], roles: ['auditor', 'admin'] },
];
const running: Identity[] = [];
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-identity-'));
});
afterEach(async () => {
  for (const identity of running.splice(0)) await identity.stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function start(options: Partial<IdentityOptions> = {}): Promise<Identity> {
  const identity = await startIdentity({ clients: CLIENTS, algorithm: 'ES256', ...options });
  running.push(identity);
  return identity;
}

const verify = (identity: Identity, token: string) =>
  jwtVerify(token, createRemoteJWKSet(new URL(identity.jwksUrl)), {
    issuer: identity.issuer,
    audience: AUDIENCE,
    typ: 'at+jwt',
  });

test('tokens verify against the key set and say who, for whom and how long', async () => {
  const identity = await start();
  const { payload, protectedHeader } = await verify(identity, await identity.token('acme-writer'));
  expect(protectedHeader.alg).toBe('ES256');
  expect(payload).toMatchObject({
    sub: 'acme-writer',
    client_id: 'acme-writer',
    tenant_id: 'acme',
    realm_access: { roles: ['agent-writer'] },
  });
  expect((payload.exp as number) - (payload.iat as number)).toBe(8 * 3600);
});

test('a client of several tenants gets them as a list', async () => {
  const identity = await start();
  const { payload } = await verify(identity, await identity.token('both-auditor'));
  expect(payload).toMatchObject({
    tenant_id: ['acme', 'globex'],
    realm_access: { roles: ['auditor', 'admin'] },
  });
});

test('the key set holds no private member', async () => {
  const { jwksUrl, keys } = await start({ algorithm: 'RS256' });
  const { keys: published } = (await (await fetch(jwksUrl)).json()) as { keys: object[] };
  expect(published).toHaveLength(1);
  for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(published[0]).not.toHaveProperty(name);
  expect(published[0]).toMatchObject({ kid: keys[0]?.kid, use: 'sig', alg: 'RS256' });
});

test('a token stays valid across a restart, because the keys are kept for their owner alone', async () => {
  const persistDir = join(dir, 'kept');
  const first = await start({ persistDir });
  const token = await first.token('acme-writer');
  await first.stop();
  running.length = 0;
  const second = await start({ persistDir, issuer: first.issuer });
  expect((await verify(second, token)).payload.sub).toBe('acme-writer');
  const file = join(persistDir, 'keys.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(file, 'utf8'))).toHaveLength(1);
});

test('several run at once, and neither takes the other’s tokens', async () => {
  const [one, two] = await Promise.all([start(), start({ issuer: 'http://127.0.0.1:1/realms/two' })]);
  const token = await two.token('acme-writer');
  expect((await verify(two, token)).payload.iss).toBe('http://127.0.0.1:1/realms/two');
  await expect(verify(one, token)).rejects.toThrow();
});

test('given keys are used', async () => {
  const key = await createSigningKey('ES256');
  const identity = await start({ keys: [key] });
  expect(decodeProtectedHeader(await identity.token('acme-writer')).kid).toBe(key.kid);
});

test.each([
  ['acme-writer', 'wrong'],
  ['nobody', 's2'],
  ['acme-writer', ''],
])('no token for %s with secret %j, and the failure does not show it', async (id, secret) => {
  const identity = await start();
  const failure = await fetchToken(identity.tokenUrl, id, secret).catch((error: Error) => error.message);
  expect(failure).toMatch(/^the identity provider answered 40[01]$/);
});

test('a taken port is an error', async () => {
  const identity = await start();
  await expect(start({ port: Number(new URL(identity.issuer).port) })).rejects.toThrow(/EADDRINUSE/);
});
