import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { challenge } from './challenge.ts';
import { MAX_TOKEN, readCredential } from './credentials.ts';

const A = 'aGVhZA.Ym9keQ.c2ln';
const B = 'aGVhZA.Ym9keQ.b3RoZXI';
const LONGEST = `a.b.${'c'.repeat(MAX_TOKEN - 4)}`;

const READ: readonly (readonly [string, HeadersInit, string])[] = [
  ['Bearer', { authorization: `Bearer ${A}` }, A],
  ['bearer, any case and blanks', { authorization: ` bEaReR   ${A} ` }, A],
  ['Token', { authorization: `Token ${A}` }, A],
  ['X-API-Key', { 'x-api-key': A }, A],
  ['two that are equal', { authorization: `Token ${A}`, 'x-api-key': A }, A],
  ['no signature, which verification refuses', { 'x-api-key': 'a.b.' }, 'a.b.'],
  ['the longest', { authorization: `Bearer ${LONGEST}` }, LONGEST],
];

const REFUSED: readonly (readonly [string, string, [string, string][]])[] = [
  ['nothing', 'credential_missing', []],
  ['an identity header alone', 'credential_missing', [['x-user-id', 'admin']]],
  ['empty', 'credential_malformed', [['authorization', '']]],
  ['an empty key', 'credential_malformed', [['x-api-key', '']]],
  ['a scheme alone', 'credential_malformed', [['authorization', 'Bearer ']]],
  ['a token alone', 'credential_malformed', [['authorization', A]]],
  ['Basic', 'credential_malformed', [['authorization', 'Basic YTpi']]],
  ['a scheme within a scheme', 'credential_malformed', [['authorization', `Bearer Bearer ${A}`]]],
  ['the scheme in the key', 'credential_malformed', [['x-api-key', `Bearer ${A}`]]],
  ['a tab for the blank', 'credential_malformed', [['authorization', `Bearer\t${A}`]]],
  ['two parts', 'credential_malformed', [['x-api-key', 'a.b']]],
  ['four parts', 'credential_malformed', [['x-api-key', 'a.b.c.d']]],
  ['an encrypted token', 'credential_malformed', [['x-api-key', 'a.b.c.d.e']]],
  ['an empty part', 'credential_malformed', [['x-api-key', 'a..c']]],
  ['padding', 'credential_malformed', [['x-api-key', 'aa==.b.c']]],
  ['plain base64', 'credential_malformed', [['x-api-key', 'a+/.b.c']]],
  [
    'the header twice',
    'credential_malformed',
    [
      ['authorization', `Bearer ${A}`],
      ['authorization', `Bearer ${A}`],
    ],
  ],
  [
    'the key twice',
    'credential_malformed',
    [
      ['x-api-key', A],
      ['x-api-key', A],
    ],
  ],
  [
    'two that differ',
    'credentials_differ',
    [
      ['authorization', `Bearer ${A}`],
      ['x-api-key', B],
    ],
  ],
  [
    'a good one beside an empty one',
    'credentials_differ',
    [
      ['authorization', `Bearer ${A}`],
      ['x-api-key', ''],
    ],
  ],
  [
    'a good key beside another scheme',
    'credential_malformed',
    [
      ['authorization', 'Basic YTpi'],
      ['x-api-key', A],
    ],
  ],
  ['one character too long', 'credential_oversized', [['authorization', `Token ${LONGEST}c`]]],
  ['a key one character too long', 'credential_oversized', [['x-api-key', `${LONGEST}c`]]],
  ['a megabyte of blanks', 'credential_oversized', [['authorization', `Bearer ${' '.repeat(1 << 20)}${A}`]]],
];

describe('readCredential', () => {
  it.each(READ)('reads %s', (_what, headers, token) => {
    expect(readCredential(new Headers(headers))).toEqual({ ok: true, token });
  });

  it.each(REFUSED)('refuses %s', (_what, reason, headers) => {
    expect(readCredential(new Headers(headers))).toEqual({ ok: false, reason });
  });

  it('gives a bounded token of three parts or a reason, whatever is sent', () => {
    const noise = fc.string({ unit: fc.constantFrom(...'aB-_. ,=\t\u00ffBearer') });
    const value = fc.oneof(
      noise,
      noise.map((text) => `Bearer ${text}`),
      fc.constant(A),
      fc.constant(`Token ${A}`),
    );
    fc.assert(
      fc.property(fc.option(value), fc.option(value), (authorization, apiKey) => {
        const headers = new Headers();
        if (authorization !== null) headers.set('authorization', authorization);
        if (apiKey !== null) headers.set('x-api-key', apiKey);
        const read = readCredential(headers);
        if (!read.ok) return;
        expect(read.token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]*$/);
        // Each header that was sent says that token and nothing else.
        if (apiKey !== null) expect(headers.get('x-api-key')).toBe(read.token);
        if (authorization !== null) {
          expect(headers.get('authorization')!.replace(/^(bearer|token) +/i, '')).toBe(read.token);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('challenge', () => {
  it('asks for a credential, without an error, where there is none (RFC 6750 §3.1)', () => {
    expect(challenge('credential_missing')).toBe('Bearer realm="mem0-governance"');
  });

  it('is the same for every bad credential', () => {
    const reasons = [
      'credential_malformed',
      'credentials_differ',
      'token_expired',
      'key_unknown',
      'anything',
    ];
    expect(new Set(reasons.map(challenge))).toEqual(
      new Set(['Bearer realm="mem0-governance", error="invalid_token"']),
    );
  });
});
