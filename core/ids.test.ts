import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUuid, namespaced, parseId, pooled, restore } from './ids.ts';
import { TENANT_ID } from './names.ts';

const ACME = pooled('acme');
const RAW = { tenant: 'acme', raw: true };
const tenant = fc.stringMatching(TENANT_ID);
/** Anything that parseId accepts: mostly odd text, some of it looking like a namespaced value already. */
const id = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.constantFrom(
      '**',
      '%2A',
      'acme:bob',
      ':',
      '%',
      "a'b",
      '!()',
      'é',
      '🙂',
      'a|b#c/d',
      '..',
      '~',
      'a%3Ab',
    ),
  )
  .map((text) => parseId(text))
  .filter((parsed) => parsed.ok)
  .map((parsed) => parsed.id);

describe('parseId', () => {
  it.each([
    ['bob', 'bob'],
    ['  bob\t', 'bob'],
    ['\u2003bob', 'bob'],
    ['\u00a0bob\u3000\u0085', 'bob'],
    ['bob@example.com', 'bob@example.com'],
    ['b\u200bob', 'b\u200bob'],
    ['＊', '＊'],
    ['Bob', 'Bob'],
    ['e\u0301', 'e\u0301'],
    ['**', '**'],
    ['a:b/c%d#e|f', 'a:b/c%d#e|f'],
    ['x'.repeat(256), 'x'.repeat(256)],
  ])('takes %j', (text, expected) => {
    expect(parseId(text)).toEqual({ ok: true, id: expected });
  });

  it.each([
    ['', 'id_empty'],
    [' \u3000', 'id_empty'],
    ['*', 'id_wildcard'],
    ['\u00a0*\u3000', 'id_wildcard'],
    ['a b', 'id_white_space'],
    ['a\u2028b', 'id_white_space'],
    ['a\u00a0b', 'id_white_space'],
    ['a\u0000', 'id_control_character'],
    ['\u001cbob', 'id_control_character'],
    ['a\nb', 'id_control_character'],
    ['a\u007f', 'id_control_character'],
    ['a\u009bb', 'id_control_character'],
    ['a\u202eb', 'id_control_character'],
    ['\u2066a', 'id_control_character'],
    ['\ufeffbob', 'id_control_character'],
    ['a\ud800', 'id_malformed'],
    ['\udc00', 'id_malformed'],
    ['x'.repeat(257), 'id_too_long'],
    [`é${'x'.repeat(256)}`, 'id_too_long'],
  ])('refuses %j', (text, reason) => {
    expect(parseId(text)).toEqual({ ok: false, reason });
  });
});

describe('namespaced', () => {
  it.each([
    ['bob', 'acme:bob'],
    ['bob@example.com', 'acme:bob@example.com'],
    ['**', 'acme:%2A%2A'],
    ['a:b', 'acme:a%3Ab'],
    ["!'()", 'acme:%21%27%28%29'],
    ['é', 'acme:%C3%A9'],
    ['%2A', 'acme:%252A'],
    ['a/b', 'acme:a%2Fb'],
  ])('writes %j as %s', (text, expected) => {
    expect(namespaced(ACME, text)).toBe(expected);
  });

  it('comes back exactly, and only for its tenant', () => {
    fc.assert(
      fc.property(tenant, tenant, id, (own, other, text) => {
        const value = namespaced(pooled(own), text);
        expect(restore(pooled(own), value)).toBe(text);
        expect(restore(pooled(other), value)).toBe(own === other ? text : undefined);
      }),
    );
  });

  it('is injective over tenant and id, and no value is the beginning of another tenant’s', () => {
    fc.assert(
      fc.property(tenant, id, tenant, id, (t1, a, t2, b) => {
        const [one, two] = [namespaced(pooled(t1), a), namespaced(pooled(t2), b)];
        expect(one === two).toBe(t1 === t2 && a === b);
        if (t1 !== t2) expect(two.startsWith(`${t1}:`)).toBe(false);
      }),
    );
  });

  it('holds nothing that is more than a letter anywhere: no wildcard, space, separator or quote', () => {
    fc.assert(
      fc.property(tenant, id, (own, text) => {
        expect(namespaced(pooled(own), text)).toMatch(/^[A-Za-z0-9._-]+:[A-Za-z0-9._~@%-]+$/);
      }),
    );
  });
});

describe('restore', () => {
  it.each([
    ['another tenant', 'globex:bob'],
    ['a longer tenant', 'acme2:bob'],
    ['no namespace', 'bob'],
    ['another case', 'ACME:bob'],
    ['no id', 'acme:'],
    ['lower-case escapes', 'acme:%c3%a9'],
    ['an escape that is not needed', 'acme:%61'],
    ['an escaped @', 'acme:%40'],
    ['a plain star', 'acme:*'],
    ['a second colon', 'acme:globex:bob'],
    ['half an escape', 'acme:%4'],
    ['bytes that are no UTF-8', 'acme:%C3'],
    ['an overlong form', 'acme:%C0%AA'],
    ['white space before', ' acme:bob'],
    ['a line break after', 'acme:bob\n'],
  ])('does not take %s', (_, value) => {
    expect(restore(ACME, value)).toBeUndefined();
  });

  it('takes only what it would write itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aZ9.~@%:*4C3A9c') }), (rest) => {
        const text = restore(ACME, `acme:${rest}`);
        if (text !== undefined) expect(namespaced(ACME, text)).toBe(`acme:${rest}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('isUuid', () => {
  it.each([
    '',
    '*',
    'x',
    '3F2B8C1A-0d4e-4f6a-9b7c-5e1d2a3b4c5d',
    '3f2b8c1a0d4e4f6a9b7c5e1d2a3b4c5d',
    '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d\n',
  ])('refuses %j', (text) => {
    expect(isUuid(text)).toBe(false);
  });
  it('takes the canonical form', () => {
    expect(isUuid('3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d')).toBe(true);
  });
});

describe('of a raw tenant', () => {
  it('every id stays as the client names it, and every id that comes back is the tenant’s', () => {
    fc.assert(
      fc.property(id, (text) => {
        expect(namespaced(RAW, text)).toBe(text);
        expect(restore(RAW, text)).toBe(text);
      }),
    );
  });

  it.each(['*', ' * ', '\u00a0*\u3000', '', ' '])('%j is no id there either', (text) => {
    expect(parseId(text).ok).toBe(false);
  });
});
