import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonFault, parseJson } from './json.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => parseJson(bytes(text));
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('JSON that is accepted', () => {
  it.each([
    ['{}', {}],
    [' [1, 2.5, -0.1e2, true, false, null, "a"] \n', [1, 2.5, -10, true, false, null, 'a']],
    ['"a"', 'a'],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['5e-324', 5e-324],
    ['0e-999', 0],
    ['0.000000000000000000000000000000000000', 0],
    ['3.141592653589793238462643', Math.PI],
    ['{"a":{"a":1},"b":[{"a":1},{"a":1}]}', { a: { a: 1 }, b: [{ a: 1 }, { a: 1 }] }],
    ['{"a":"b\\"a\\\\","c":"\\\\"}', { a: 'b"a\\', c: '\\' }],
    ['{"a":"\\"","A":1}', { a: '"', A: 1 }],
    ['{"a":",\\"a\\":","b":"{[]}"}', { a: ',"a":', b: '{[]}' }],
    ['"\\ud83d\\ude00 caf\\u00e9"', '😀 café'],
    ['"\ufeffa"', '\ufeffa'],
    ['{"":1," ":2}', { '': 1, ' ': 2 }],
    ['{"proto":"__proto__","c":["constructor"]}', { proto: '__proto__', c: ['constructor'] }],
    [nested(32), JSON.parse(nested(32))],
  ])('%s', (text, value) => {
    expect(read(text)).toEqual({ ok: true, value });
  });

  it('with as many values as the limit', () => {
    const limits = { depth: 2, nodes: 6 };
    expect(parseJson(bytes('{"a":[1,"b",true,null]}'), limits).ok).toBe(true);
    expect(parseJson(bytes('{"a":[1,"b",true,null,2]}'), limits)).toEqual({
      ok: false,
      reason: 'too_many_values',
      pointer: '/*/4',
    });
    expect(parseJson(bytes('[[[]]]'), limits)).toEqual({ ok: false, reason: 'too_deep', pointer: '/0/0' });
  });
});

describe('JSON that is refused', () => {
  const cases: [text: string, reason: JsonFault, pointer: string][] = [
    ['', 'empty', ''],
    ['\ufeff{}', 'byte_order_mark', ''],
    ['{"a":1,"a":2}', 'duplicate_name', '/*'],
    ['{"text":1,"text":2}', 'duplicate_name', '/text'],
    ['{"user_id":"\\ud800"}', 'lone_surrogate', '/user_id'],
    ['{"messages":[{"role":"user"},{"role":"user","content":"\\ud800"}]}', 'lone_surrogate', '/messages/1/*'],
    ['{"metadata":{"user_id":{"text":1,"text":2}}}', 'duplicate_name', '/metadata/*/*'],
    ['[{"text":1,"text":2}]', 'duplicate_name', '/0/*'],
    ['{"a":1,"\\u0061":2}', 'duplicate_name', '/*'],
    ['{"\\u0061":1,"b":{},"a":2}', 'duplicate_name', '/*'],
    ['{"a/":1,"a\\/":2}', 'duplicate_name', '/*'],
    ['{"\\n":1,"\\u000A":2}', 'duplicate_name', '/*'],
    ['{"😀":1,"\\ud83d\\uDE00":2}', 'duplicate_name', '/*'],
    ['{"":1,"":2}', 'duplicate_name', '/*'],
    ['[{"x":{"list":[0,{"id":1,"id":2}]}}]', 'duplicate_name', '/0/*/*/1/*'],
    ['{"a":{"a":1},"b":{"c":[],"c":[]}}', 'duplicate_name', '/*/*'],
    ['{"__proto__":{"admin":true}}', 'forbidden_name', '/*'],
    ['{"\\u005f_proto__":1}', 'forbidden_name', '/*'],
    ['{"metadata":{"constructor":{"prototype":1}}}', 'forbidden_name', '/metadata/*'],
    ['{"metadata":{"prototype":1}}', 'forbidden_name', '/metadata/*'],
    ['{"a":"\\ud800"}', 'lone_surrogate', '/*'],
    ['{"a":"x\\udc00\\ud800"}', 'lone_surrogate', '/*'],
    ['{"a":1,"\\ud800":2}', 'lone_surrogate', '/*'],
    ['["a\\u0000b"]', 'nul_character', '/0'],
    ['{"\\u0000":1}', 'nul_character', '/*'],
    ['1e999', 'number_out_of_range', ''],
    ['[0,-1e999]', 'number_out_of_range', '/1'],
    ['{"a":1E+400}', 'number_out_of_range', '/*'],
    [`[${'9'.repeat(400)}]`, 'number_out_of_range', '/0'],
    ['1e-999', 'number_out_of_range', ''],
    [`[0.${'0'.repeat(400)}1]`, 'number_out_of_range', '/0'],
    ['9007199254740993', 'number_out_of_range', ''],
    ['[-9007199254740992]', 'number_out_of_range', '/0'],
    [nested(33), 'too_deep', '/0'.repeat(32)],
    ['['.repeat(100_000), 'too_deep', '/0'.repeat(32)],
    [`${'{"a":'.repeat(100_000)}`, 'too_deep', '/*'.repeat(32)],
    [`[${'0,'.repeat(60_000)}0]`, 'too_many_values', '/49999'],
    ['NaN', 'syntax', ''],
    ['Infinity', 'syntax', ''],
    ['[-Infinity]', 'syntax', ''],
    ['{"a":NaN}', 'syntax', ''],
    ['{} {}', 'syntax', ''],
    ['{}x', 'syntax', ''],
    ['{}\0', 'syntax', ''],
    ['{"a":1,}', 'syntax', ''],
    ['[1,]', 'syntax', ''],
    ['[,1]', 'syntax', ''],
    ["{'a':1}", 'syntax', ''],
    ['{a:1}', 'syntax', ''],
    ['// a\n{}', 'syntax', ''],
    ['/**/{}', 'syntax', ''],
    ['01', 'syntax', ''],
    ['+1', 'syntax', ''],
    ['.5', 'syntax', ''],
    ['1.', 'syntax', ''],
    ['0x10', 'syntax', ''],
    ['-', 'syntax', ''],
    ['tru', 'syntax', ''],
    ['trux', 'syntax', ''],
    ['nulll', 'syntax', ''],
    ['"a', 'syntax', ''],
    ['"', 'syntax', ''],
    ['"\\', 'syntax', ''],
    ['"\\"', 'syntax', ''],
    ['"\\x41"', 'syntax', ''],
    ['"\\u00"', 'syntax', ''],
    ['"a\nb"', 'syntax', ''],
    ['"a\u0001b"', 'syntax', ''],
    ['\u00a0{}', 'syntax', ''],
    [']', 'syntax', ''],
    ['{"a" "b"}', 'syntax', ''],
    ['[}', 'syntax', ''],
    ['   ', 'syntax', ''],
  ];
  it.each(cases.map(([text, ...rest]) => [text.slice(0, 60), text, ...rest] as const))(
    '%j',
    (_, text, reason, pointer) => {
      expect(read(text)).toEqual({ ok: false, reason, pointer });
    },
  );

  it.each([
    ['UTF-16 LE', [0x7b, 0, 0x7d, 0]],
    ['UTF-16 BE', [0, 0x7b, 0, 0x7d]],
    ['UTF-16 LE with a mark', [0xff, 0xfe, 0x7b, 0, 0x7d, 0]],
    ['UTF-16 BE with a mark', [0xfe, 0xff, 0, 0x7b, 0, 0x7d]],
    ['UTF-32 LE', [0x7b, 0, 0, 0, 0x7d, 0, 0, 0]],
    ['UTF-32 BE', [0, 0, 0, 0x7b, 0, 0, 0, 0x7d]],
    ['UTF-32 LE with a mark', [0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xae, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['beyond U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    ['a cut sequence', [0x22, 0xc3]],
    ['UTF-7', [0x2b, 0x41, 0x48, 0x73]],
  ])('%s', (name, octets) => {
    const reason = name === 'UTF-7' ? 'syntax' : 'not_utf8';
    expect(parseJson(Uint8Array.from(octets))).toEqual({ ok: false, reason, pointer: '' });
  });

  it('says nothing of what was sent', () => {
    const secret = 'Hunter2 of Jane Doe';
    for (const text of [
      `{"${secret}":1,"${secret}":2}`,
      `{"a":"${secret}\\ud800"}`,
      `["${secret}", x]`,
      `{"${secret}":{"__proto__":1}}`,
      '{"jane_doe":{"a":1,"a":2}}',
      '{"metadata":{"jane_doe":{"hiv_positive":{"a":1,"a":2}}}}',
      '{"metadata":{"jane_doe":[{"hiv_positive":1e999}]}}',
      '{"metadata":{"jane_doe":"\\u0000"}}',
    ]) {
      const parsed = read(text);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed)).not.toMatch(/jane|hiv/i);
    }
  });
});

describe('properties', () => {
  const safe = (value: unknown): boolean =>
    typeof value === 'number'
      ? !Number.isInteger(value) || Number.isSafeInteger(value) || /e/.test(JSON.stringify(value))
      : typeof value === 'string'
        ? !value.includes('\0')
        : typeof value !== 'object' || value === null
          ? true
          : Object.entries(value).every(
              ([name, member]) => !FORBIDDEN.has(name) && safe(name) && safe(member),
            );
  const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
  const json = fc.jsonValue({ stringUnit: 'grapheme', depthSize: 'medium' }).filter(safe);

  it('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 2, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(read(text)).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses exactly what repeats a name, wherever it stands', () => {
    const name = fc.constantFrom('a', 'b', 'c', '"', '\\', '😀');
    const escaped = (text: string) =>
      `"${[...text]
        .flatMap((c) => c.split(''))
        .map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('')}"`;
    const spelt = fc
      .tuple(name, fc.boolean())
      .map(([text, byCode]) => ({ text, raw: byCode ? escaped(text) : JSON.stringify(text) }));
    const { tree } = fc.letrec<{ tree: { raw: string; repeats: boolean } }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('1', '"a"', 'null', '"\\"a\\":1,"').map((raw) => ({ raw, repeats: false })),
        fc.array(tie('tree'), { maxLength: 3 }).map((items) => ({
          raw: `[${items.map(({ raw }) => raw).join(', ')}]`,
          repeats: items.some(({ repeats }) => repeats),
        })),
        fc.array(fc.tuple(spelt, tie('tree')), { maxLength: 3 }).map((members) => ({
          raw: `{${members.map(([key, { raw }]) => `${key.raw} :${raw}`).join(',')}}`,
          repeats:
            new Set(members.map(([{ text }]) => text)).size < members.length ||
            members.some(([, { repeats }]) => repeats),
        })),
      ),
    }));
    fc.assert(
      fc.property(tree, ({ raw, repeats }) => {
        const parsed = read(raw);
        expect(parsed.ok ? 'accepted' : parsed.reason).toBe(repeats ? 'duplicate_name' : 'accepted');
      }),
      { numRuns: 2000 },
    );
  });

  it('never throws, and accepts nothing that JSON.parse refuses', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ',',
      ':',
      '1',
      '-',
      'e9',
      'true',
      't',
      'null',
      ' ',
      'a',
      '\\u',
      'd800',
      '\n',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 30 }).map((pieces) => new TextEncoder().encode(pieces.join(''))),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(text, (octets) => {
        const parsed = parseJson(octets);
        if (parsed.ok) expect(parsed.value).toEqual(JSON.parse(new TextDecoder().decode(octets)));
      }),
      { numRuns: 5000 },
    );
  });
});
