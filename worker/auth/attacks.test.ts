import { type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { base64url, type Claims, FakeIssuer } from '../../tests/fakes/issuer.ts';
import { issuersSchema } from './issuers.ts';
import { createVerifier, type TokenFault, type Verifier } from './verify.ts';

// The attacks of RFC 8725 and their kin, each with a real key; a control shows that the bare token is good.

const NOW = Math.floor(Date.now() / 1000);
const GRANT = { tenant_id: 'acme', realm_access: { roles: ['agent-reader'] } };

let rsa: FakeIssuer;
let ec: FakeIssuer;
let ed: FakeIssuer;
let stranger: FakeIssuer;
let verifier: Verifier;
let asked: string[];

beforeAll(async () => {
  // All have a key of the same id: an id is only ever looked for in the token's own issuer's set.
  rsa = await FakeIssuer.create({ issuer: 'https://rsa.example.com' });
  ec = await FakeIssuer.create({ issuer: 'https://ec.example.com', alg: 'ES256' });
  ed = await FakeIssuer.create({ issuer: 'https://ed.example.com', alg: 'EdDSA' });
  stranger = await FakeIssuer.create({ issuer: 'https://evil.example.com' });
  const all = [rsa, ec, ed];
  asked = [];
  const fetchKeys = (async (url: string) => {
    asked.push(url);
    return Response.json(all.find(({ issuer }) => url === `${issuer}/jwks`)!.jwks());
  }) as typeof fetch;
  const issuers = issuersSchema.parse(
    all.map(({ issuer, audience, key }) => ({
      ...{ issuer, audience, jwks_url: `${issuer}/jwks`, algorithms: [key.alg] },
      ...{ tenants: ['acme'], roles: ['*'] },
    })),
  );
  verifier = createVerifier(issuers, { fetch: fetchKeys, maxStaleMs: 0 });
});

/** A token whose header and payload are given as text, signed by the RSA issuer. */
const text = (header: string, payload: string) => rsa.signText(header, payload);
const HEADER = '{"alg":"RS256","kid":"key-1","typ":"JWT"}';
const payload = (more = '') =>
  `{"iss":"https://rsa.example.com","aud":"mem0-gateway","sub":"u","exp":${NOW + 300}${more}}`;
const sign = (claims: Claims, header: Claims = {}) => rsa.sign({ ...GRANT, ...claims }, header);

/** HS256 with any secret, as an attacker would who takes a public key for one. */
async function hs256(secret: string | Uint8Array): Promise<string> {
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
  const jwt = new SignJWT({ ...rsa.claims(GRANT) });
  return jwt.setProtectedHeader({ alg: 'HS256', kid: 'key-1', typ: 'JWT' }).sign(bytes);
}

async function altered(change: (parts: [string, string, string]) => string): Promise<string> {
  return change((await sign({})).split('.') as [string, string, string]);
}

const ATTACKS: readonly (readonly [string, TokenFault, () => Promise<string> | string])[] = [
  ...['none', 'None', 'nOnE', 'NONE', ''].map(
    (alg) =>
      [
        `alg ${alg || '(empty)'}`,
        'alg_not_allowed',
        () => rsa.unsigned(GRANT, { alg, kid: 'key-1' }),
      ] as const,
  ),
  ['alg none over a real signature', 'alg_not_allowed', () => sign({}, { alg: 'none' })],
  ['alg left out', 'alg_not_allowed', () => sign({}, { alg: undefined })],
  ['alg in a list', 'alg_not_allowed', () => sign({}, { alg: ['RS256'] })],
  ['HS256 with the PEM', 'alg_not_allowed', () => rsa.confused(GRANT)],
  ['HS256 with the modulus', 'alg_not_allowed', () => hs256(Buffer.from(rsa.key.jwk.n!, 'base64url'))],
  ['HS256 with the JWK', 'alg_not_allowed', () => hs256(JSON.stringify(rsa.key.jwk))],
  [
    'HS256 with the DER',
    'alg_not_allowed',
    async () =>
      hs256(new Uint8Array((await crypto.subtle.exportKey('spki', rsa.key.publicKey)) as ArrayBuffer)),
  ],
  ['PS256 where only RS256 is configured', 'alg_not_allowed', () => sign({}, { alg: 'PS256' })],
  ['the signature left out', 'signature_wrong', () => altered(([h, p]) => `${h}.${p}.`)],
  ['the signature cut', 'signature_wrong', () => altered(([h, p, s]) => `${h}.${p}.${s.slice(0, -2)}`)],
  ['a signature of one byte', 'signature_wrong', () => altered(([h, p]) => `${h}.${p}.AA`)],
  ['ES256 zeros', 'signature_wrong', () => zeros(ec, 64)],
  ['EdDSA zeros', 'signature_wrong', () => zeros(ed, 64)],
  [
    'other claims under the signature',
    'signature_wrong',
    () => altered(([h, , s]) => `${h}.${base64url(payload(',"tenant_id":"acme"'))}.${s}`),
  ],
  ['signed by another', 'signature_wrong', () => stranger.sign({ ...GRANT, iss: rsa.issuer })],
  ['another issuer, same kid', 'alg_not_allowed', () => ec.sign({ ...GRANT, iss: rsa.issuer })],
  [
    'another issuer, same kid, its alg claimed',
    'signature_wrong',
    () => ec.sign({ ...GRANT, iss: rsa.issuer }, { alg: 'RS256' }),
  ],
  ['an unknown issuer', 'issuer_unknown', () => stranger.sign(GRANT)],
  ['an issuer with a slash more', 'issuer_unknown', () => sign({ iss: `${rsa.issuer}/` })],
  ['an issuer in other case', 'issuer_unknown', () => sign({ iss: 'https://RSA.example.com' })],
  ['a list of issuers', 'issuer_unknown', () => sign({ iss: [rsa.issuer] })],
  ['no issuer', 'issuer_unknown', () => sign({ iss: undefined })],
  [
    'an embedded key',
    'header_not_allowed',
    () => stranger.sign({ ...GRANT, iss: rsa.issuer }, { jwk: stranger.key.jwk }),
  ],
  [
    'a key set of its own',
    'header_not_allowed',
    () => stranger.sign({ ...GRANT, iss: rsa.issuer }, { jku: 'https://evil.example.com/jwks' }),
  ],
  ['x5u', 'header_not_allowed', () => sign({}, { x5u: 'https://evil.example.com/c' })],
  ['x5c', 'header_not_allowed', () => sign({}, { x5c: ['MII'] })],
  ['crit', 'header_not_allowed', () => sign({}, { crit: ['exp'], exp: 1 })],
  ['b64', 'header_not_allowed', () => sign({}, { b64: false })],
  ['zip', 'header_not_allowed', () => sign({}, { zip: 'DEF' })],
  ['an unknown kid', 'key_unknown', () => sign({}, { kid: 'nobody' })],
  ['a kid that is a path', 'key_unknown', () => sign({}, { kid: '../../../dev/null' })],
  ['a kid that is a query', 'key_unknown', () => sign({}, { kid: "x' UNION SELECT 'k" })],
  ['a kid with control characters', 'key_unknown', () => sign({}, { kid: 'key-1\n' })],
  ['a kid of a prototype', 'key_unknown', () => sign({}, { kid: '__proto__' })],
  ['a long kid', 'key_unknown', () => sign({}, { kid: 'k'.repeat(300) })],
  ['an empty kid', 'key_unknown', () => sign({}, { kid: '' })],
  ['a kid that is no text', 'key_unknown', () => sign({}, { kid: 1 })],
  ['no kid', 'key_unknown', () => sign({}, { kid: undefined })],
  ['a logout token', 'typ_not_allowed', () => sign({}, { typ: 'logout+jwt' })],
  ['an ID token that says so', 'typ_not_allowed', () => sign({}, { typ: 'id_token+jwt' })],
  ['no typ', 'typ_not_allowed', () => sign({}, { typ: undefined })],
  ['typ in a list', 'typ_not_allowed', () => sign({}, { typ: ['JWT'] })],
  ['expired just now', 'token_expired', () => sign({ exp: NOW })],
  ['expired long ago', 'token_expired', () => sign({ exp: 0 })],
  ['no exp', 'expiry_missing', () => sign({ exp: undefined })],
  ['exp as text', 'time_malformed', () => sign({ exp: String(NOW + 300) })],
  ['exp null', 'time_malformed', () => sign({ exp: null })],
  ['exp past what a date holds', 'time_malformed', () => sign({ exp: 1e300 })],
  ['nbf as text', 'time_malformed', () => sign({ nbf: '0' })],
  ['not yet valid', 'token_not_yet_valid', () => sign({ nbf: NOW + 31 })],
  ['issued in the future', 'issued_in_future', () => sign({ iat: NOW + 31 })],
  ['another audience', 'audience_wrong', () => sign({ aud: 'account' })],
  ['an audience that contains ours', 'audience_wrong', () => sign({ aud: 'mem0-gateway-2' })],
  ['a nested audience', 'audience_wrong', () => sign({ aud: [['mem0-gateway']] })],
  ['no audience', 'audience_wrong', () => sign({ aud: undefined })],
  ['no subject', 'subject_malformed', () => sign({ sub: undefined })],
  ['an empty subject', 'subject_malformed', () => sign({ sub: '' })],
  ['a subject that is a number', 'subject_malformed', () => sign({ sub: 1 })],
  ['a long subject', 'subject_malformed', () => sign({ sub: 's'.repeat(256) })],
  ['a subject with a line break', 'subject_malformed', () => sign({ sub: 'a\nb' })],
  ['a claim twice', 'token_malformed', () => text(HEADER, payload(',"sub":"admin"'))],
  ['a claim twice, once escaped', 'token_malformed', () => text(HEADER, payload(',"\\u0073ub":"admin"'))],
  [
    'alg twice',
    'token_malformed',
    () => text('{"alg":"none","alg":"RS256","kid":"key-1","typ":"JWT"}', payload()),
  ],
  [
    'deep claims',
    'token_malformed',
    () => text(HEADER, payload(`,"x":${'['.repeat(500)}${']'.repeat(500)}`)),
  ],
  ['__proto__ claims', 'token_malformed', () => text(HEADER, payload(',"__proto__":{"tenant_id":"acme"}'))],
  ['a payload that is a list', 'token_malformed', () => text(HEADER, '[]')],
  ['a payload that is null', 'token_malformed', () => text(HEADER, 'null')],
  ['a payload that is no JSON', 'token_malformed', () => text(HEADER, 'sub=admin')],
  ['a payload with a byte order mark', 'token_malformed', () => text(HEADER, `\ufeff${payload()}`)],
  ['a header that is a list', 'token_malformed', () => text('["RS256"]', payload())],
  ['junk', 'token_malformed', () => 'a.b.c'],
  ['no parts', 'token_malformed', () => 'abc'],
  ['nothing', 'token_malformed', () => ''],
  [
    'a second spelling of the payload',
    'token_malformed',
    () => altered(([h, p, s]) => `${h}.${respelt(p)}.${s}`),
  ],
  ['a second spelling of the signature', 'token_malformed', () => altered(([h, p, s]) => `${h}.${p}.${s}=`)],
];

/** A token that is right but for a signature of zeros. */
async function zeros(issuer: FakeIssuer, bytes: number): Promise<string> {
  const [head, body] = (await issuer.sign(GRANT)).split('.');
  return `${head}.${body}.${base64url(new Uint8Array(bytes))}`;
}

/** The same bytes in other text: base64url that is padded, or whose last bits are not zero. */
const respelt = (part: string) => `${part}${'='.repeat((4 - (part.length % 4)) % 4 || 4)}`;

describe('attacks', () => {
  it('control: a good token of each issuer is taken', async () => {
    for (const issuer of [rsa, ec, ed]) {
      const result = await verifier.verify(await issuer.sign(GRANT), NOW * 1000);
      expect(result).toMatchObject({ ok: true, token: { issuer: issuer.issuer, tenants: ['acme'] } });
    }
    expect(await verifier.verify(await text(HEADER, payload()), NOW * 1000)).toMatchObject({ ok: true });
  });

  it.each(ATTACKS)('%s: %s', async (_what, reason, make) => {
    const token = await make();
    const refusal = { ok: false, kind: 'unauthenticated', reason };
    expect(await verifier.verify(token, NOW * 1000)).toEqual(refusal);
    // A second time, too: nothing that was refused is remembered as good.
    expect(await verifier.verify(token, NOW * 1000)).toEqual(refusal);
  });

  it('no token had anything fetched but the configured key sets', () => {
    expect(new Set(asked)).toEqual(new Set([rsa, ec, ed].map(({ issuer }) => `${issuer}/jwks`)));
  });

  it('a key too weak is no key (RFC 7518 §3.3)', async () => {
    const pair = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
      },
      true,
      ['sign', 'verify'],
    );
    const { privateKey, publicKey } = pair as CryptoKeyPair;
    const jwk = {
      ...((await crypto.subtle.exportKey('jwk', publicKey)) as JWK),
      kid: 'weak',
      alg: 'RS256',
      key_ops: ['verify'],
    };
    const input = `${base64url('{"alg":"RS256","kid":"weak","typ":"JWT"}')}.${base64url(payload())}`;
    const bytes = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', privateKey, new TextEncoder().encode(input));
    const weak = createVerifier(
      issuersSchema.parse([
        {
          ...{ issuer: rsa.issuer, audience: rsa.audience, jwks_url: `${rsa.issuer}/jwks` },
          ...{ algorithms: ['RS256'], tenants: ['*'], roles: ['*'] },
        },
      ]),
      { fetch: (async () => Response.json({ keys: [jwk] })) as typeof fetch, maxStaleMs: 0 },
    );
    const result = await weak.verify(`${input}.${base64url(new Uint8Array(bytes))}`, NOW * 1000);
    expect(result).toEqual({ ok: false, kind: 'unauthenticated', reason: 'signature_wrong' });
  });
});
