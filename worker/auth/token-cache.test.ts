import { beforeEach, describe, expect, it } from 'vitest';
import type { VerifiedToken } from './claims.ts';
import { TokenCache } from './token-cache.ts';

const NOW = 1_800_000_000_000;
const TOKEN: VerifiedToken = {
  issuer: 'https://id.example.com',
  subject: 'bob',
  actorHash: '00',
  tenants: ['acme'],
  roles: ['admin'],
  mfa: false,
  expiresAt: NOW / 1000 + 3600,
};

let cache: TokenCache;
let generation: number;
const keys = { generationAt: () => generation };

beforeEach(() => {
  cache = new TokenCache(3);
  generation = 1;
});

describe('TokenCache', () => {
  it('keeps a token for 300 s and no longer', () => {
    cache.set('a', TOKEN, keys, 1, NOW);
    expect(cache.get('a', NOW + 299_999)).toBe(TOKEN);
    expect(cache.get('a', NOW + 300_000)).toBeUndefined();
  });

  it('keeps none past its own end', () => {
    cache.set('a', { ...TOKEN, expiresAt: NOW / 1000 + 5 }, keys, 1, NOW);
    expect(cache.get('a', NOW + 4999)).toBeDefined();
    expect(cache.get('a', NOW + 5000)).toBeUndefined();
  });

  it.each([0, 2])('drops a token of generation 1 when the keys are of generation %i', (next) => {
    cache.set('a', TOKEN, keys, 1, NOW);
    generation = next;
    expect(cache.get('a', NOW)).toBeUndefined();
    generation = 1;
    expect(cache.get('a', NOW)).toBeUndefined();
  });

  it('lets the least recently used go', () => {
    for (const text of ['a', 'b', 'c']) cache.set(text, TOKEN, keys, 1, NOW);
    cache.get('a', NOW);
    cache.set('d', TOKEN, keys, 1, NOW);
    const held = ['a', 'b', 'c', 'd'].filter((text) => cache.get(text, NOW));
    expect(held).toEqual(['a', 'c', 'd']);
  });

  it('holds a token once', () => {
    for (const text of ['a', 'b', 'b', 'b', 'b']) cache.set(text, TOKEN, keys, 1, NOW);
    expect(cache.get('a', NOW)).toBe(TOKEN);
  });
});
