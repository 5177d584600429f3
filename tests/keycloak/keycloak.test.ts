import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROLES, type Role } from '../../core/record.ts';
import { usedMfa } from '../../worker/auth/claims.ts';
import { issuersSchema } from '../../worker/auth/issuers.ts';
import { type Agent, REALM } from './admin.ts';
import { Browser, type Client, Person, type Tokens } from './people.ts';
import { issuerOf, startWorld, type World } from './world.ts';

// The committed realm in a real Keycloak, in front of a real gateway.

const CONSOLE: Client = { clientId: 'mem0-console', redirectUri: 'http://127.0.0.1:8788/callback' };
const PASSWORD = 'correct horse battery staple';
/** The longest that a key nobody has seen yet waits: one fetch of the key set per this time. */
const COOLDOWN_MS = 30_000;

let world: World;
let agents: { readonly [role in Role]: Agent };

beforeAll(async () => {
  world = await startWorld();
  const made = [];
  for (const role of ROLES) {
    made.push([role, await world.admin.addAgent(`agent-${role}`, { tenants: ['acme'], roles: [role] })]);
  }
  agents = Object.fromEntries(made);
});

afterAll(async () => {
  await world?.stop();
});

const read = (token: string, headers?: HeadersInit) =>
  world.rig.call('GET', '/memories?user_id=bob', token, undefined, headers);
const write = (token: string) =>
  world.rig.call('POST', '/memories', token, {
    messages: [{ role: 'user', content: 'Bob likes green tea.' }],
    user_id: 'bob',
    infer: false,
  });
const remove = (token: string, id: string) => world.rig.call('DELETE', `/memories/${id}`, token);

describe('agents', () => {
  it('get short-lived access tokens with one audience, their tenants and their roles, and no names', async () => {
    const token = await world.token(agents['agent-writer']);
    const claims = decodeJwt(token);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    expect(claims).toMatchObject({
      iss: world.realmUrl,
      aud: 'mem0-governance',
      typ: 'Bearer',
      tenant_id: ['acme'],
      realm_access: { roles: ['agent-writer'] },
    });
    expect(claims.exp! - claims.iat!).toBe(300);
    expect(claims).not.toHaveProperty('resource_access');
    for (const name of ['email', 'name', 'given_name', 'preferred_username']) {
      expect(claims).not.toHaveProperty(name);
    }
  });

  /** What each may do, written down once more so that a slip in the policy is seen. */
  const MAY: { readonly [role in Role]: readonly string[] } = {
    admin: ['read', 'write', 'delete'],
    'agent-writer': ['read', 'write'],
    'agent-reader': ['read'],
    auditor: [],
  };

  it.each(ROLES)('%s may do what its role says, and nothing else', async (role) => {
    const admin = await world.token(agents.admin);
    const { json } = await write(admin);
    const id: string = json.results[0].id;
    const token = await world.token(agents[role]);
    const did = {
      read: (await read(token)).status,
      write: (await write(token)).status,
      delete: (await remove(token, id)).status,
    };
    const expected = Object.fromEntries(
      ['read', 'write', 'delete'].map((what) => [what, MAY[role].includes(what) ? 200 : 403]),
    );
    expect(did).toEqual(expected);
    const left = (await read(admin)).json.results.map((one: { id: string }) => one.id);
    expect(left.includes(id), 'the memory is there unless it was deleted').toBe(
      !MAY[role].includes('delete'),
    );
  });

  it('see their own tenant only', async () => {
    const globex = await world.admin.addAgent('globex-admin', { tenants: ['globex'], roles: ['admin'] });
    const theirs = await world.token(globex);
    const { json } = await write(await world.token(agents.admin));
    expect((await read(theirs)).json.results).toEqual([]);
    expect((await remove(theirs, json.results[0].id)).status).toBe(404);
    expect((await read(theirs, { 'x-tenant-id': 'acme' })).status).toBe(403);
  });

  it('of several tenants get all of them in the token, and name one', async () => {
    const both = await world.admin.addAgent('both', { tenants: ['acme', 'globex'], roles: ['agent-reader'] });
    const token = await world.token(both);
    expect((await read(token)).json.code).toBe('tenant_required');
    const named = await read(token, { 'x-tenant-id': 'globex' });
    expect(named.status).toBe(200);
    expect(named.headers.get('audit-record')).toMatch(/^globex~0~1\//);
  });

  it.each([
    ['no tenant', []],
    ['a tenant that the issuer may not assert', ['initech']],
  ])('of %s are refused', async (what, tenants) => {
    const clientId = `nowhere-${what.length}`;
    const token = await world.token(await world.admin.addAgent(clientId, { tenants, roles: ['admin'] }));
    const answer = await read(token);
    expect(answer.status).toBe(403);
    expect(answer.headers.has('audit-record'), 'a stranger').toBe(false);
  });

  it('of no tenant inherit those of a group, as the documentation warns', async () => {
    const member = await world.admin.addAgent('member', { tenants: [], roles: ['agent-reader'] });
    await world.admin.addToGroup(member, { tenants: ['globex'] });
    expect(decodeJwt(await world.token(member)).tenant_id).toEqual(['globex']);
  });

  it('without a role are refused', async () => {
    const idle = await world.admin.addAgent('idle', { tenants: ['acme'], roles: [] });
    expect((await read(await world.token(idle))).status).toBe(403);
  });

  it('of another realm are strangers, even with the same claims', async () => {
    await world.admin.importRealm('other');
    const grant = { tenants: ['acme'], roles: ['admin'], realm: 'other' };
    const token = await world.token(await world.admin.addAgent('intruder', grant), 'other');
    expect(decodeJwt(token)).toMatchObject({ aud: 'mem0-governance', tenant_id: ['acme'] });
    expect((await read(token)).status).toBe(401);
  });

  it('an administrator cannot give a tenant that is no tenant id', async () => {
    const id = await world.admin.addPerson('mallory', { password: PASSWORD, tenants: [], roles: [] });
    await expect(world.admin.setTenants(id, ['acme~0'])).rejects.toThrow('400');
    await expect(world.admin.setTenants(id, ['acme', '*'])).rejects.toThrow('400');
    expect(await world.admin.tenantsOf(id)).toBeUndefined();
  });
});

describe('people', () => {
  let alice: Person;
  let aliceId: string;
  let tokens: Tokens;
  const browser = new Browser();

  beforeAll(async () => {
    const grant = { password: PASSWORD, tenants: ['acme'], roles: ['agent-reader'] };
    aliceId = await world.admin.addPerson('alice', grant);
    alice = new Person(world.realmUrl, 'alice', PASSWORD);
  });

  it.each([
    ['no code challenge', {}],
    ['a plain one', { code_challenge: 'a'.repeat(43), code_challenge_method: 'plain' }],
  ])('get no login page with %s', async (_what, pkce) => {
    const { back } = await alice.open(new Browser(), CONSOLE, pkce as { [name: string]: string });
    expect(back?.searchParams.get('error')).toBe('invalid_request');
    expect(back?.searchParams.has('code')).toBe(false);
  });

  it.each([
    'http://127.0.0.1:8788/callback/../x',
    'http://127.0.0.1:8788/callback?x=1',
    'https://evil.example',
  ])('are not sent to %s', async (redirectUri) => {
    const pkce = { code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' };
    const { html, back } = await alice.open(new Browser(), { ...CONSOLE, redirectUri }, pkce);
    expect(back).toBeUndefined();
    expect(html).toContain('Invalid parameter: redirect_uri');
  });

  it('get no token for a password alone, through this client or a built-in one', async () => {
    const grant = { password: PASSWORD, tenants: ['acme'], roles: ['admin'] };
    // With nothing left to set up, Keycloak's own flow would let him in.
    await world.admin.clearRequiredActions(await world.admin.addPerson('dave', grant));
    for (const client_id of ['mem0-console', 'admin-cli']) {
      const response = await fetch(`${world.realmUrl}/protocol/openid-connect/token`, {
        method: 'POST',
        body: new URLSearchParams({
          ...{ grant_type: 'password', client_id, username: 'dave', password: PASSWORD },
        }),
      });
      expect(response.status, client_id).toBeGreaterThanOrEqual(400);
      expect(await response.text()).not.toContain('access_token');
    }
    const dave = new Person(world.realmUrl, 'dave', PASSWORD);
    await dave.login(CONSOLE);
    expect(dave.pages, 'the flow asks by itself').toEqual(['password', 'set up a code']);
  });

  it('must set up a second factor at the first login', async () => {
    tokens = await alice.login(CONSOLE);
    expect(alice.pages).toEqual(['password', 'set up a code']);
    expect(decodeJwt(tokens.access).amr, 'setting it up is not using it').toEqual(['pwd']);
  });

  it('are asked for it at the next, and then the token says so', async () => {
    tokens = await alice.login(CONSOLE, browser);
    expect(alice.pages).toEqual(['password', 'code']);
    const claims = decodeJwt(tokens.access);
    expect(claims).toMatchObject({ sub: aliceId, aud: 'mem0-governance', sid: expect.any(String) });
    expect([...(claims.amr as string[])].sort()).toEqual(['otp', 'pwd']);
    expect(usedMfa(claims, issuersSchema.parse([issuerOf(world.keycloak.url)])[0]!)).toBe(true);
    expect(claims).not.toHaveProperty('email');
  });

  it('with a wrong code stay outside', async () => {
    const { html, back } = await alice.loginWithWrongCode(CONSOLE);
    expect(back).toBeUndefined();
    expect(html).toContain('name="otp"');
  });

  it('wait after a few wrong guesses, however right the next one is', async () => {
    await world.admin.addPerson('carol', { password: PASSWORD, tenants: ['acme'], roles: ['agent-reader'] });
    const carol = new Person(world.realmUrl, 'carol', PASSWORD);
    const guesser = new Person(world.realmUrl, 'carol', 'a wrong guess, and a long one');
    for (let round = 0; round < 2; round++) {
      await expect(guesser.login(CONSOLE)).rejects.toThrow('the pages do not end');
    }
    await expect(carol.login(CONSOLE)).rejects.toThrow('the pages do not end');
  });

  it('are served what their role allows, in their tenant', async () => {
    const answer = await read(tokens.access);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('audit-record')).toMatch(/^acme~0~1\//);
    expect((await write(tokens.access)).status).toBe(403);
    const { results } = answer.json;
    expect(results.length).toBeGreaterThan(0);
    await world.rig.recorded((all) => all.some(({ actor }) => actor?.sub === aliceId));
  });

  it('cannot use the ID token', async () => {
    expect(decodeJwt(tokens.id)).toMatchObject({ typ: 'ID' });
    expect((await read(tokens.id)).status).toBe(401);
  });

  it('cannot change their tenant through the account API', async () => {
    const account = `${world.realmUrl}/account/`;
    const { access } = await alice.login({ clientId: 'account-console', redirectUri: account }, browser);
    const call = (method: string, body?: unknown) =>
      fetch(account, {
        method,
        headers: {
          ...{ authorization: `Bearer ${access}`, accept: 'application/json' },
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const me = (await (await call('GET')).json()) as { attributes: object };
    expect(me.attributes, 'people see their tenant').toEqual({ tenant_id: ['acme'] });
    // Control: the token and the API do change what a person may change.
    expect((await call('POST', { ...me, firstName: 'Alice' })).status).toBe(204);
    for (const tenant_id of [['globex'], ['acme', 'globex'], []]) {
      await (await call('POST', { ...me, attributes: { tenant_id } })).body?.cancel();
      expect(await world.admin.tenantsOf(aliceId)).toEqual(['acme']);
    }
    const undeclared = await call('POST', { ...me, attributes: { ...me.attributes, tenant: ['globex'] } });
    await undeclared.body?.cancel();
    const user = await world.admin.get<{ attributes: object }>(`/${REALM}/users/${aliceId}`);
    expect(Object.keys(user.attributes)).toEqual(['tenant_id']);
    const after = await alice.login(CONSOLE, browser);
    expect(decodeJwt(after.access).tenant_id).toEqual(['acme']);
  });
});

describe('a new signing key', () => {
  it('is taken after one cooldown at most, and tokens of the old one stay good', async () => {
    const old = await world.token(agents['agent-reader']);
    expect((await read(old)).status).toBe(200);
    await world.admin.rotateKeys();
    const fresh = await world.token(agents['agent-reader']);
    expect(decodeProtectedHeader(fresh).kid).not.toBe(decodeProtectedHeader(old).kid);
    const begin = Date.now();
    let status = (await read(fresh)).status;
    while (status !== 200 && Date.now() - begin < COOLDOWN_MS + 5000) {
      expect(status, 'a key nobody has seen is no failure').toBe(401);
      await new Promise((resolve) => setTimeout(resolve, 500));
      status = (await read(fresh)).status;
    }
    expect(status).toBe(200);
    expect((await read(old)).status).toBe(200);
  });
});
