import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, type Json } from '../../../core/canonical.ts';
import { Scanner } from './scan.ts';

const scanner = new Scanner();
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

function isCanonical(text: string): boolean {
  try {
    return canonical(JSON.parse(text) as Json) === text;
  } catch {
    return false;
  }
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'z', 'A', '_', '"', '\\', 'é', ' '), maxLength: 3 });
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, -1, 7, 1e15, 1e21, 0.5, 123456789012345, 1234567890123456),
    fc.string({ unit: fc.constantFrom('x', 'y', '"', '\\', '\n', 'é', '\u007f', ' '), maxLength: 4 }),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(name, tie('any'), { maxKeys: 4 }),
  ),
})).any;
const object = fc.dictionary(name, value, { maxKeys: 6 });

describe('the scanner', () => {
  it('accepts every canonical object of plain ASCII and small integers', () => {
    const plain = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false),
        fc.integer(),
        fc.string({ unit: fc.constantFrom('a', '1', ' ', '{', ',', ':') }),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fc.string({ unit: fc.constantFrom('a', 'b', '_', 'A') }), tie('any'), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: fc.constantFrom('a', 'b', 'c') }), plain), (made) => {
        expect(scanner.scan(bytes(canonical(made as Json)))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('accepts nothing that is not canonical, whatever was done to it', () => {
    const edit = fc.record({
      at: fc.nat(),
      cut: fc.nat({ max: 2 }),
      put: fc.string({ unit: fc.constantFrom(...' \n{}[]:,"0123456789.eE+-tfnab\\\u00e9'), maxLength: 3 }),
    });
    fc.assert(
      fc.property(object, fc.array(edit, { maxLength: 2 }), (made, edits) => {
        let text = canonical(made as Json);
        for (const { at, cut, put } of edits) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + put + text.slice(place + cut);
        }
        if (scanner.scan(bytes(text))) expect(isCanonical(text), text).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['a member twice', '{"a":1,"a":2}'],
    ['members out of order', '{"b":1,"a":2}'],
    ['white space', '{"a": 1}'],
    ['a zero before a number', '{"a":01}'],
    ['minus zero', '{"a":-0}'],
    ['an exponent', '{"a":1e3}'],
    ['something behind it', '{"a":1}{}'],
    ['an end that does not come', '{"a":[1'],
    ['a string that does not end', '{"a":"x'],
    ['a comma too many', '{"a":[1,]}'],
    ['no value', '{"a":}'],
    ['no object', '[1]'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(scanner.scan(bytes(text))).toBe(false);
  });

  it('reads members of the outermost object only', () => {
    expect(scanner.scan(bytes('{"a":{"time":1},"log":"x","time":42,"z":-3}'))).toBe(true);
    const [time, log, z, a] = ['time', 'log', 'z', 'a'].map(bytes) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(scanner.number(time)).toBe(42);
    expect(scanner.text(log)).toBe('"x"');
    expect(scanner.is(log, bytes('"x"'))).toBe(true);
    expect(scanner.is(log, bytes('"y"'))).toBe(false);
    expect([scanner.number(z), scanner.number(a), scanner.number(bytes('none'))]).toEqual([-1, -1, -1]);
    expect(scanner.has(bytes('none'))).toBe(false);
  });
});
