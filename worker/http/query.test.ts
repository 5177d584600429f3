import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseQuery, type QueryFault } from './query.ts';

describe('queries that are accepted', () => {
  const cases: [raw: string, entries: [string, string][]][] = [
    ['', []],
    ['a=1', [['a', '1']]],
    ['a=', [['a', '']]],
    [
      'b=2&a=1',
      [
        ['b', '2'],
        ['a', '1'],
      ],
    ],
    ['a=b=c', [['a', 'b=c']]],
    ['a=x+y%2Bz%20w', [['a', 'x y+z w']]],
    [
      'user_id=bob%40example.com&q=caf%C3%A9',
      [
        ['user_id', 'bob@example.com'],
        ['q', 'café'],
      ],
    ],
    ["a=/?:@!$'()*,", [['a', "/?:@!$'()*,"]]],
    ['a=100%25', [['a', '100%']]],
    ['a=..%2F..', [['a', '../..']]],
    ['a=1%26b%3D2', [['a', '1&b=2']]],
    ['__proto__=x', [['__proto__', 'x']]],
    [
      'a=1&A=2',
      [
        ['a', '1'],
        ['A', '2'],
      ],
    ],
  ];
  it.each(cases)('%s', (raw, entries) => {
    expect(parseQuery(raw)).toEqual({ ok: true, entries });
  });
});

describe('queries that are refused', () => {
  const cases: [raw: string, reason: QueryFault, parameter?: number][] = [
    ['a=1&a=2', 'duplicate_parameter', 2],
    ['user_id=me&x=1&user%5Fid=you', 'duplicate_parameter', 3],
    ['a+b=1&a%20b=2', 'duplicate_parameter', 2],
    ['&', 'empty_parameter', 1],
    ['a=1&', 'empty_parameter', 2],
    ['a=1&&b=2', 'empty_parameter', 2],
    ['a', 'parameter_form', 1],
    ['=a', 'parameter_form', 1],
    ['a=1&b', 'parameter_form', 2],
    ['a=%', 'malformed_escape', 1],
    ['a=%4', 'malformed_escape', 1],
    ['%zz=1', 'malformed_escape', 1],
    ['a=%u0041', 'malformed_escape', 1],
    ['a=1;b=2', 'query_character', 1],
    ['a[]=1', 'query_character', 1],
    ['a={}', 'query_character', 1],
    ['a="b"', 'query_character', 1],
    ['a=b\\c', 'query_character', 1],
    ['a=b#c', 'query_character', 1],
    ['a=é', 'query_character', 1],
    ['a=\0', 'query_character', 1],
    ['a=%c0%ae', 'invalid_utf8', 1],
    ['a=%ff', 'invalid_utf8', 1],
    ['a=%ed%a0%80', 'invalid_utf8', 1],
    ['%c3=a', 'invalid_utf8', 1],
    ['a=%00', 'control_character', 1],
    ['a=b%0d%0aX: y'.replace(' ', '+'), 'control_character', 1],
    ['a%7f=b', 'control_character', 1],
    ['a=%C2%85', 'control_character', 1],
    [`a=${'b'.repeat(8191)}`, 'query_too_long'],
    [Array.from({ length: 51 }, (_, i) => `k${i}=1`).join('&'), 'too_many_parameters'],
  ];
  it.each(cases)('%j: %s', (raw, reason, parameter) => {
    expect(parseQuery(raw)).toEqual({ ok: false, reason, ...(parameter ? { parameter } : {}) });
  });
});

describe('properties', () => {
  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => void parseQuery(raw)),
      { numRuns: 2000 },
    );
  });

  it('reads back what URLSearchParams writes', () => {
    const word = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .filter((text) => !/\p{Cc}/u.test(text));
    const names = fc.uniqueArray(word, { maxLength: 10 });
    fc.assert(
      fc.property(names, word, (keys, value) => {
        const entries = keys.map((key): [string, string] => [key, value]);
        expect(parseQuery(new URLSearchParams(entries).toString())).toEqual({ ok: true, entries });
      }),
    );
  });
});
