import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Claims, FakeIssuer } from '../tests/fakes/issuer.ts';
import { issuersSchema } from '../worker/auth/issuers.ts';
import { narrow } from '../worker/auth/principal.ts';
import { createVerifier } from '../worker/auth/verify.ts';

// Every configuration in docs/identity.md, on tokens as the provider documents them.

interface Token {
  readonly what: string;
  readonly header: Claims;
  /** `iss` and `aud` are the configured ones unless they are here. */
  readonly claims: Claims;
  readonly expected:
    | {
        readonly tenant: string;
        readonly roles: readonly string[];
        readonly mfa?: true;
        readonly session?: string;
      }
    /** The reason for which it is refused. */
    | string;
  /** The tenant of the request, for tokens of several. */
  readonly tenant?: string;
}

interface Provider {
  /** Its heading in the document. */
  readonly name: string;
  /** Members that its published keys lack. */
  readonly keysLack?: readonly string[];
  readonly tokens: readonly Token[];
}

const DIRECTORY = '11111111-2222-3333-4444-555555555555';
const NAMESPACE = 'https://mem0.example.com/';
const AGENT_WRITER = { tenant: 'acme', roles: ['agent-writer'] };
const READER = { tenant: 'acme', roles: ['agent-reader'] };

const PROVIDERS: readonly Provider[] = [
  {
    name: 'Keycloak',
    tokens: [
      {
        what: 'an agent',
        header: { typ: 'at+jwt' },
        claims: {
          ...{
            jti: 'trrtcc:1',
            typ: 'Bearer',
            azp: 'mem0-agent',
            acr: '1',
            scope: '',
            clientHost: '10.0.0.1',
          },
          ...{ sub: '6d5f6b1e-0a5b-4f6f-8f1c-3c1f0d6f3a10', tenant_id: ['acme'] },
          realm_access: { roles: ['agent-writer'] },
        },
        expected: AGENT_WRITER,
      },
      {
        what: 'a person of two tenants with a second factor',
        header: { typ: 'at+jwt' },
        claims: {
          ...{ typ: 'Bearer', azp: 'mem0-console', sid: 'NbC0dG4s', amr: ['otp', 'pwd'] },
          ...{ aud: ['mem0-governance', 'account'], tenant_id: ['acme', 'globex'] },
          realm_access: { roles: ['default-roles-mem0-governance', 'agent-reader', 'offline_access'] },
        },
        tenant: 'globex',
        expected: { tenant: 'globex', roles: ['agent-reader'], mfa: true, session: 'NbC0dG4s' },
      },
      {
        what: 'an ID token',
        header: {},
        claims: { typ: 'ID', aud: 'mem0-console', tenant_id: ['acme'], at_hash: 'x' },
        expected: 'typ_not_allowed',
      },
    ],
  },
  {
    name: 'Auth0',
    tokens: [
      {
        what: 'a person',
        header: { typ: 'at+jwt' },
        claims: {
          ...{ sub: 'auth0|person-1', client_id: 'client-1', scope: 'openid' },
          aud: ['https://mem0.example.com', 'https://example.eu.auth0.com/userinfo'],
          [`${NAMESPACE}tenant_id`]: 'acme',
          [`${NAMESPACE}roles`]: ['agent-reader'],
          [`${NAMESPACE}sid`]: 'session-1',
        },
        expected: { ...READER, session: 'session-1' },
      },
      {
        what: 'an agent',
        header: { typ: 'at+jwt' },
        claims: {
          sub: 'client-2@clients',
          [`${NAMESPACE}tenant_id`]: 'acme',
          [`${NAMESPACE}roles`]: ['agent-writer'],
        },
        expected: AGENT_WRITER,
      },
      {
        what: 'an ID token, even with the right audience',
        header: {},
        claims: { [`${NAMESPACE}tenant_id`]: 'acme', [`${NAMESPACE}roles`]: ['admin'] },
        expected: 'typ_not_allowed',
      },
    ],
  },
  {
    name: 'Entra ID',
    keysLack: ['alg'],
    tokens: [
      {
        what: 'a person',
        header: {},
        claims: {
          ...{ ver: '2.0', tid: DIRECTORY, oid: '22222222-0000-0000-0000-000000000001', azpacr: '0' },
          ...{ sub: 'pairwise-subject-of-this-api', uti: 'x', rh: '0.x', scp: 'access' },
          ...{ roles: ['agent-reader'], sid: 'session-2' },
        },
        expected: { tenant: DIRECTORY, roles: ['agent-reader'], session: 'session-2' },
      },
      {
        what: 'an agent',
        header: {},
        claims: { ver: '2.0', tid: DIRECTORY, idtyp: 'app', azpacr: '1', roles: ['agent-writer'] },
        expected: { tenant: DIRECTORY, roles: ['agent-writer'] },
      },
      {
        what: 'a token that names another directory',
        header: {},
        claims: { ver: '2.0', tid: '00000000-2222-3333-4444-555555555555', roles: ['admin'] },
        expected: 'no_tenant',
      },
      {
        what: 'an ID token of a client with a registration of its own',
        header: {},
        claims: { ver: '2.0', tid: DIRECTORY, aud: '77777777-0000-0000-0000-000000000001', roles: ['admin'] },
        expected: 'audience_wrong',
      },
      {
        what: 'a version 1 token',
        header: {},
        claims: {
          ver: '1.0',
          iss: `https://sts.windows.net/${DIRECTORY}/`,
          tid: DIRECTORY,
          roles: ['admin'],
        },
        expected: 'issuer_unknown',
      },
    ],
  },
  {
    name: 'Okta',
    tokens: [
      {
        what: 'a person',
        header: { typ: undefined },
        claims: {
          ...{ ver: 1, jti: 'AT.1', cid: '0oa1', uid: '00u1', sub: '00u1', scp: ['openid'], auth_time: 1 },
          ...{ tenant_id: ['acme'], mem0_roles: ['agent-reader'] },
        },
        expected: READER,
      },
      {
        what: 'an agent',
        header: { typ: undefined },
        claims: {
          ...{ ver: 1, jti: 'AT.2', cid: '0oa2', sub: '0oa2', scp: ['mem0'] },
          ...{ tenant_id: ['acme'], mem0_roles: ['agent-writer'] },
        },
        expected: AGENT_WRITER,
      },
      {
        what: 'an ID token, even with the right audience',
        header: { typ: undefined },
        claims: {
          ver: 1,
          jti: 'ID.1',
          amr: ['pwd'],
          at_hash: 'x',
          tenant_id: ['acme'],
          mem0_roles: ['admin'],
        },
        expected: 'not_an_access_token',
      },
      {
        what: 'an ID token without a hash',
        header: { typ: undefined },
        claims: { ver: 1, jti: 'ID.2', aud: '0oa1', tenant_id: ['acme'], mem0_roles: ['admin'] },
        expected: 'audience_wrong',
      },
    ],
  },
  {
    name: 'Cloudflare Access',
    tokens: [
      {
        what: 'a person',
        header: {},
        claims: {
          aud: ['c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00'],
          ...{
            sub: '33333333-0000-0000-0000-000000000001',
            email: 'a@example.com',
            type: 'app',
            country: 'DE',
          },
          ...{ identity_nonce: 'nonce-1', custom: { tenant_id: 'acme', roles: ['agent-reader'] } },
        },
        expected: READER,
      },
      {
        what: 'a role that this issuer may not assert',
        header: {},
        claims: { type: 'app', custom: { tenant_id: 'acme', roles: ['admin'] } },
        expected: 'no_role',
      },
      {
        what: 'a service token',
        header: {},
        claims: { sub: '', common_name: 'f3b1.access', type: 'app', custom: { tenant_id: 'acme' } },
        expected: 'subject_malformed',
      },
    ],
  },
];

/** The `json` blocks of the document, by the heading above them. */
function blocks(): { readonly name: string; readonly json: string }[] {
  const text = readFileSync(new URL('../docs/identity.md', import.meta.url), 'utf8');
  return text.split(/^## /m).flatMap((section) => {
    const name = section.slice(0, section.indexOf('\n'));
    return [...section.matchAll(/^```json\n(.*?)^```$/gms)].map(([, json]) => ({ name, json: json! }));
  });
}

it('the document has one configuration for each provider', () => {
  expect(blocks().map(({ name }) => name)).toEqual(PROVIDERS.map(({ name }) => name));
});

describe.each(PROVIDERS)('$name', ({ name, keysLack = [], tokens }) => {
  const json = blocks().find((block) => block.name === name)!.json;

  it.each(tokens)('$what', async ({ header, claims, expected, tenant = null }) => {
    const issuers = issuersSchema.parse(JSON.parse(json));
    const { issuer, audience, jwks_url } = issuers[0]!;
    const fake = await FakeIssuer.create({ issuer, audience });
    const keys = fake.jwks().keys.map((key) => {
      return Object.fromEntries(Object.entries(key).filter(([member]) => !keysLack.includes(member)));
    });
    const asked: string[] = [];
    const fetchKeys = (async (url: string) => {
      asked.push(url);
      return Response.json({ keys });
    }) as typeof fetch;
    const verifier = createVerifier(issuers, { fetch: fetchKeys, maxStaleMs: 0 });
    const verified = await verifier.verify(await fake.sign(claims, header), Date.now());
    expect(asked.every((url) => url === jwks_url)).toBe(true);
    if (!verified.ok) return expect(verified.reason).toBe(expected);
    const narrowed = narrow(verified.token, { tenant, role: null }, { requireContextHeaders: false });
    if (!narrowed.ok) return expect(narrowed.reason).toBe(expected);
    const { tenant: served, roles, mfa, session } = narrowed.principal;
    expect({
      ...{ tenant: served, roles },
      ...(mfa ? { mfa } : {}),
      ...(session === undefined ? {} : { session }),
    }).toEqual(expected);
  });
});
