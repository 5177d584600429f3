import fc from 'fast-check';
import { expect, it } from 'vitest';
import { namespaced, parseId, pooled } from '../../core/ids.ts';
import { MAX_TEXT, unscopeText } from './unscope-text.ts';

const ACME = pooled('acme');

it.each([
  ['acme:bob is unknown', 'bob is unknown'],
  ['no acme:bob, no acme:caf%C3%A9!', 'no bob, no café!'],
  ["user 'acme:a%2Fb'", "user 'a/b'"],
  ['x-acme:bob stays', 'x-acme:bob stays'],
  ['acme2:bob stays', 'acme2:bob stays'],
  ['acme:50% of', '50% of'],
  ['acme:%c3 is cut', '%c3 is cut'],
  ['acme:', ''],
  ['acme:acme:bob', 'bob'],
  ['plain', 'plain'],
  ['', ''],
  ['a\r\nSet-Cookie: b\u0000c', 'a Set-Cookie: b c'],
])('%j → %j', (text, expected) => {
  expect(unscopeText(ACME, text)).toBe(expected);
});

it('takes a tenant with dots literally', () => {
  expect(unscopeText(pooled('a.b'), 'axb:bob a.b:bob')).toBe('axb:bob bob');
});

it('is cut, and never in the middle of a character', () => {
  expect(unscopeText(ACME, 'x'.repeat(1000))).toHaveLength(MAX_TEXT);
  expect(unscopeText(ACME, `${'x'.repeat(MAX_TEXT - 1)}🙂`).isWellFormed()).toBe(true);
});

it('leaves no prefix of the tenant in any text, and is quick over a long one', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('acme:', ' ', 'bob', '%', 'C3', ':') }), (text) => {
      expect(unscopeText(ACME, text)).not.toMatch(/(?<![A-Za-z0-9._-])acme:[A-Za-z0-9]/);
    }),
  );
  const start = performance.now();
  unscopeText(ACME, 'acme:'.repeat(1_000_000));
  expect(performance.now() - start).toBeLessThan(500);
});

it('gives an id back as its client wrote it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
      const id = parseId(text);
      if (!id.ok) return;
      expect(unscopeText(ACME, `"${namespaced(ACME, id.id)}"`)).toBe(`"${id.id}"`.slice(0, MAX_TEXT));
    }),
  );
});
