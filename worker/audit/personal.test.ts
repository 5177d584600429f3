import { expect, it } from 'vitest';
import { keyedPseudonyms } from './personal.ts';

const personal = keyedPseudonyms('k1', new Uint8Array(32).fill(1));

it('gives the same value the same token, with the key id in front', async () => {
  const [a, b] = await personal.tokens('acme', [
    { kind: 'user_id', value: 'alice' },
    { kind: 'user_id', value: 'alice' },
  ]);
  expect(a).toMatch(/^k1\.[A-Za-z0-9_-]{22}$/);
  expect(b).toBe(a);
});

it('tells tenants, kinds, values and keys apart', async () => {
  const other = keyedPseudonyms('k1', new Uint8Array(32).fill(2));
  const tokens = await Promise.all([
    personal.tokens('acme', [{ kind: 'user_id', value: 'alice' }]),
    personal.tokens('globex', [{ kind: 'user_id', value: 'alice' }]),
    personal.tokens('acme', [{ kind: 'agent_id', value: 'alice' }]),
    personal.tokens('acme', [{ kind: 'user_id', value: 'alicf' }]),
    other.tokens('acme', [{ kind: 'user_id', value: 'alice' }]),
  ]);
  expect(new Set(tokens.flat()).size).toBe(5);
});
