import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, canonicalMembers, canonicalObject, type Json } from './canonical.ts';

describe('canonical', () => {
  it('writes what another implementation of RFC 8785 writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        fc.pre(JSON.stringify(value).isWellFormed());
        expect(canonical(value as Json)).toBe(canonicalize(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads back as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonical(value as Json);
        expect(canonical(JSON.parse(text))).toBe(text);
      }),
    );
  });

  it.each([
    // RFC 8785 §3.2.3: by UTF-16 code units, so U+1F600 (D83D DE00) comes before U+FB33.
    [{ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }],
  ])('sorts members by code units', (value) => {
    expect(Object.keys(JSON.parse(canonical(value)))).toEqual([
      '1',
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\ud83d\ude00',
      '\ufb33',
    ]);
  });

  it.each([
    [-0, '0'],
    [1e21, '1e+21'],
    [1e-7, '1e-7'],
    [333333333.3333333, '333333333.3333333'],
    [5e-324, '5e-324'],
  ])('writes the number %s as %s', (value, text) => {
    expect(canonical(value)).toBe(text);
  });

  it('leaves absent members out', () => {
    expect(canonical({ b: undefined, a: 1 })).toBe('{"a":1}');
  });

  it.each([
    ['an infinite number', Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN],
    ['a lone surrogate', 'x\ud800'],
    ['a lone surrogate as a name', { '\udc00': 1 }],
    ['a function', (() => 1) as unknown as Json],
    ['a bigint', 1n as unknown as Json],
    ['undefined in a list', [undefined] as unknown as Json],
  ])('refuses %s', (_what, value) => {
    expect(() => canonical(value as Json)).toThrow(TypeError);
  });
});

describe('canonicalObject', () => {
  it('is the canonical text of both objects in one', () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.jsonValue({ maxDepth: 1 })),
        fc.uniqueArray(name),
        (object, names) => {
          fc.pre(JSON.stringify(object).isWellFormed());
          const others = Object.fromEntries(
            names.filter((each) => !Object.hasOwn(object, each)).map((each, i) => [each, i]),
          );
          const joined = canonicalObject(
            canonicalMembers(object as { [name: string]: Json }),
            canonicalMembers(others),
          );
          expect(joined).toBe(canonical({ ...object, ...others } as Json));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
