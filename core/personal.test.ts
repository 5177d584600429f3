import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lookupOf,
  newToken,
  openPersonal,
  sealPersonal,
  tokenShard,
  VAULT_SHARDS,
  vaultKey,
  vaultShard,
} from './personal.ts';

const OLD = vaultKey('v1', new Uint8Array(32).fill(1));
const NEW = vaultKey('v2', new Uint8Array(32).fill(2));
const value = { kind: 'user_id', value: 'alice' };

describe('a sealed value', () => {
  it('is opened by its key, whichever comes first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string(), async (kind, text) => {
        const personal = { kind, value: text };
        const { token, jwe } = await sealPersonal(OLD, 'acme', personal);
        expect(await openPersonal([NEW, OLD], 'acme', token, jwe)).toEqual(personal);
      }),
      { numRuns: 50 },
    );
  });

  it('is not opened for another tenant or token, without its key, or when it was changed', async () => {
    const { token, jwe } = await sealPersonal(OLD, 'acme', value);
    expect(await openPersonal([OLD], 'globex', token, jwe)).toBeUndefined();
    expect(await openPersonal([OLD], 'acme', newToken(0), jwe)).toBeUndefined();
    expect(await openPersonal([NEW], 'acme', token, jwe)).toBeUndefined();
    expect(await openPersonal([{ ...NEW, id: 'v1' }], 'acme', token, jwe)).toBeUndefined();
    expect(await openPersonal([OLD], 'acme', token, `${jwe.slice(0, -2)}AA`)).toBeUndefined();
    expect(await openPersonal([OLD], 'acme', token, 'nothing')).toBeUndefined();
  });

  it('is never the same twice, and does not hold its value', async () => {
    const [one, two] = await Promise.all([
      sealPersonal(OLD, 'acme', value),
      sealPersonal(OLD, 'acme', value),
    ]);
    expect(one.token).not.toBe(two.token);
    expect(one.jwe).not.toBe(two.jwe);
    expect(one.lookup).toBe(two.lookup);
    expect(JSON.stringify(one)).not.toContain('alice');
  });
});

it('tokens say which object keeps them, and nothing else', () => {
  for (let shard = 0; shard < VAULT_SHARDS; shard++) expect(tokenShard(newToken(shard))).toBe(shard);
  expect(new Set(Array.from({ length: 1000 }, () => newToken(3))).size).toBe(1000);
  expect(vaultShard(value)).toBe(vaultShard({ ...value }));
  for (const none of [
    '',
    'p1.',
    'k1.AAAAAAAAAAAAAAAAAAAAAA',
    'p1.AAAAAAAAAAAAAAAAAAAAAAA',
    'p1.AAAAAAAAAAAAAAAAAAAAA!',
  ]) {
    expect(tokenShard(none)).toBeUndefined();
  }
});

it('lookups differ by key, tenant, kind and value', () => {
  const all = [
    lookupOf(OLD, 'acme', value),
    lookupOf(NEW, 'acme', value),
    lookupOf(OLD, 'globex', value),
    lookupOf(OLD, 'acme', { ...value, kind: 'agent_id' }),
    lookupOf(OLD, 'acme', { ...value, value: 'bob' }),
  ];
  expect(new Set(all).size).toBe(5);
  expect(OLD.encryption).not.toEqual(OLD.lookup);
});
