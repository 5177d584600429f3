import { describe, expect, it } from 'vitest';
import { formatSignerKey, formatVerifierKey, signerKey, verifierKey } from '../core/note.ts';
import { vaultKey } from '../core/personal.ts';
import { ConfigError, readConfig } from './config.ts';
import { SETTINGS } from './settings.ts';

const ISSUER = {
  issuer: 'http://127.0.0.1:9002',
  audience: 'mem0-governance',
  jwks_url: 'http://127.0.0.1:9002/jwks',
  algorithms: ['RS256'],
  tenants: ['acme'],
  roles: ['admin'],
};

const SIGNER = signerKey('audit.example.com', new Uint8Array(32).fill(5));
const NEXT = signerKey('audit.example.com', new Uint8Array(32).fill(6)).verifier;
const STRANGE = signerKey('other.example.com', new Uint8Array(32).fill(6)).verifier;
const WITNESS = verifierKey('witness.example.net', 'cosignature', NEXT.publicKey);

const LOOPBACK: { readonly [name: string]: string } = {
  ENVIRONMENT: 'dev',
  TRANSPORT: 'loopback',
  ISSUERS: JSON.stringify([ISSUER]),
  MEM0_ORIGIN: 'http://127.0.0.1:9006',
  MEM0_API_KEY: 'key',
  AUDIT_WRITER_URL: 'postgresql://w:p@127.0.0.1:9005/audit',
  AUDIT_READER_URL: 'postgresql://r:p@127.0.0.1:9005/audit',
  AUDIT_SQL_ENDPOINT: 'http://127.0.0.1:9007/sql',
  AUDIT_ORIGIN: 'audit.example.com',
  AUDIT_SIGNING_KEY: formatSignerKey(SIGNER),
  AUDIT_VAULT_KEYS: `v1:${Buffer.alloc(32, 7).toString('base64url')}`,
};

const EDGE: { readonly [name: string]: string } = {
  ...LOOPBACK,
  ENVIRONMENT: 'production',
  TRANSPORT: 'edge',
  ISSUERS: JSON.stringify([
    { ...ISSUER, issuer: 'https://id.example.com', jwks_url: 'https://id.example.com/jwks' },
  ]),
  MEM0_ORIGIN: 'https://mem0.example.com',
  AUDIT_SQL_ENDPOINT: '',
};

function problems(env: { readonly [name: string]: unknown }): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
}

describe('readConfig', () => {
  it('reads good settings and fills in defaults', () => {
    const config = readConfig(LOOPBACK);
    expect(config.RATE_LIMIT_REQUESTS).toBe(100);
    expect(config.REQUIRE_CONTEXT_HEADERS).toBe(false);
    expect(config.AUDIT_VAULT_KEYS).toEqual([vaultKey('v1', new Uint8Array(32).fill(7))]);
    expect(config.AUDIT_PSEUDONYM_KEY).toBeUndefined();
    expect(problems(EDGE)).toEqual([]);
    expect(readConfig(EDGE).AUDIT_SQL_ENDPOINT).toBeUndefined();
  });

  it('lists every missing setting at once', () => {
    const required = Object.entries(SETTINGS)
      .filter(([, row]) => !('default' in row))
      .map(([name]) => `${name} is missing`);
    expect(problems({})).toEqual(required);
    expect(required).toContain('MEM0_API_KEY is missing');
  });

  it.each([
    ['ENVIRONMENT', 'Production!', 'ENVIRONMENT is not a lower-case word'],
    ['TRANSPORT', 'plain', 'TRANSPORT is none of edge, loopback'],
    ['RATE_LIMIT_REQUESTS', '0', 'RATE_LIMIT_REQUESTS is below 1'],
    ['RATE_LIMIT_REQUESTS', '1e3', 'RATE_LIMIT_REQUESTS is not a whole number'],
    ['REQUIRE_CONTEXT_HEADERS', 'yes', 'REQUIRE_CONTEXT_HEADERS is none of true, false'],
    ['ISSUERS', '{', 'ISSUERS is not JSON'],
    ['MEM0_ORIGIN', 'http://127.0.0.1:9006/mem0', 'MEM0_ORIGIN has more than scheme, host and port'],
    ['AUDIT_WRITER_URL', 'mysql://127.0.0.1/x', 'AUDIT_WRITER_URL is not a postgresql:// URL'],
    ['ORPHAN_AFTER_MS', '60000', 'ORPHAN_AFTER_MS is below UPSTREAM_TIMEOUT_MS + 60000'],
    ['MAX_INFLIGHT_ANSWER_BYTES', '2048', 'MAX_ANSWER_BYTES is above MAX_INFLIGHT_ANSWER_BYTES'],
    ['AUDIT_VAULT_KEYS', 'k1:short', 'AUDIT_VAULT_KEYS[0] is not `<key id>:<32 or more bytes, base64url>`'],
  ])('refuses %s = %s', (name, value, problem) => {
    expect(problems({ ...LOOPBACK, [name]: value })).toContain(problem);
  });

  it('says what is wrong inside an issuer, and repeats nothing of it', () => {
    const issuers = [{ issuer: 'x', algorithms: ['HS256'], tenants: [], typ: [''], secret: 'value' }, 7];
    const found = problems({ ...LOOPBACK, ISSUERS: JSON.stringify(issuers) });
    expect(found).toEqual(
      expect.arrayContaining([
        'ISSUERS[0].issuer is not an http(s) URL',
        'ISSUERS[0].audience Invalid input: expected string, received undefined',
        expect.stringMatching(/^ISSUERS\[0\]\.algorithms\[0\] Invalid option: expected one of "RS256"\|/),
        'ISSUERS[0].typ[0] Too small: expected string to have >=1 characters',
        'ISSUERS[0].tenants Too small: expected array to have >=1 items',
        'ISSUERS[0] Unrecognized key: "secret"',
        'ISSUERS[1] Invalid input: expected object, received number',
      ]),
    );
    expect(found.join()).not.toContain('value');
  });

  it('reads the key that signs with those that are published beside it, and the witnesses', () => {
    const AUDIT_SIGNING_KEY = `${LOOPBACK.AUDIT_SIGNING_KEY}\n${formatVerifierKey(NEXT)}`;
    const AUDIT_WITNESSES = formatVerifierKey(WITNESS);
    const config = readConfig({ ...LOOPBACK, AUDIT_SIGNING_KEY, AUDIT_WITNESSES });
    expect(config.AUDIT_SIGNING_KEY).toEqual({ signer: SIGNER, verifiers: [SIGNER.verifier, NEXT] });
    expect(config.AUDIT_WITNESSES).toEqual([WITNESS]);
    expect(readConfig(LOOPBACK).AUDIT_WITNESSES).toEqual([]);
  });

  it.each([
    ['AUDIT_SIGNING_KEY', formatVerifierKey(NEXT), /^AUDIT_SIGNING_KEY is not `PRIVATE/],
    ['AUDIT_SIGNING_KEY', `${formatSignerKey(SIGNER)} x`, /^AUDIT_SIGNING_KEY is not `PRIVATE/],
    ['AUDIT_SIGNING_KEY', `${formatSignerKey(SIGNER)} ${formatVerifierKey(WITNESS)}`, /is not `PRIVATE/],
    ['AUDIT_SIGNING_KEY', `${formatSignerKey(SIGNER)} ${formatVerifierKey(STRANGE)}`, /is not AUDIT_ORIGIN$/],
    ['AUDIT_ORIGIN', 'other.example.com', /^AUDIT_SIGNING_KEY has a key whose name is not AUDIT_ORIGIN$/],
    ['AUDIT_ORIGIN', 'https://audit.example.com', /^AUDIT_ORIGIN is not a host and a path/],
    ['AUDIT_WITNESSES', formatVerifierKey(NEXT), /^AUDIT_WITNESSES has a word/],
  ])('refuses %s = %s', (name, value, problem) => {
    expect(problems({ ...LOOPBACK, [name]: value })).toEqual([expect.stringMatching(problem)]);
  });

  it('takes numbers, booleans and tables of [vars] for what they are', () => {
    const issuers = JSON.parse(LOOPBACK.ISSUERS!);
    const given = { ...LOOPBACK, RATE_LIMIT_REQUESTS: 10, REQUIRE_CONTEXT_HEADERS: true, ISSUERS: issuers };
    expect(readConfig(given)).toMatchObject({
      RATE_LIMIT_REQUESTS: 10,
      REQUIRE_CONTEXT_HEADERS: true,
      ISSUERS: [{ issuer: issuers[0].issuer }],
    });
    expect(problems({ ...LOOPBACK, RATE_LIMIT_REQUESTS: 0.5 })).toEqual([
      expect.stringMatching(/^RATE_LIMIT/),
    ]);
  });

  it('names no value, because some are secrets', () => {
    const listed = problems({ ...LOOPBACK, MEM0_API_KEY: 'with space hunter2', AUDIT_WRITER_URL: 'hunter2' });
    expect(listed).toHaveLength(2);
    expect(listed.join()).not.toContain('hunter2');
  });

  it('refuses the loopback transport in production', () => {
    expect(problems({ ...LOOPBACK, ENVIRONMENT: 'production' })).toEqual([
      'TRANSPORT loopback is refused with ENVIRONMENT production',
    ]);
  });

  it.each(['MEM0_ORIGIN', 'AUDIT_SQL_ENDPOINT'])('wants https for %s on the edge', (name) => {
    expect(problems({ ...EDGE, [name]: 'http://mem0.example.com' })).toEqual([
      `${name} is not https, which TRANSPORT edge requires`,
    ]);
  });

  it.each(['MEM0_ORIGIN', 'AUDIT_WRITER_URL', 'AUDIT_SQL_ENDPOINT'])(
    'wants a loopback host for %s on the loopback transport',
    (name) => {
      const value = name === 'AUDIT_WRITER_URL' ? 'postgresql://w@10.0.0.1/a' : 'http://10.0.0.1';
      expect(problems({ ...LOOPBACK, [name]: value })).toEqual([
        `${name} is not on this machine, which TRANSPORT loopback requires`,
      ]);
    },
  );

  it('holds the key sets of issuers to the same rule', () => {
    const ISSUERS = JSON.stringify([{ ...ISSUER, jwks_url: 'http://id.example.com/jwks' }]);
    expect(problems({ ...LOOPBACK, ISSUERS })).toEqual([
      'ISSUERS[0].jwks_url is not on this machine, which TRANSPORT loopback requires',
    ]);
  });
});
