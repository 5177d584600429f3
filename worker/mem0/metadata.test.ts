import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMetadata } from './metadata.ts';

const check = (value: unknown) => checkMetadata(value, '/metadata');
const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });

describe('metadata', () => {
  it.each([
    'created_at',
    'updated_at',
    'hash',
    'data',
    'role',
    'actor_id',
    'attributed_to',
    'expiration_date',
    'user_id',
    'agent_id',
    'run_id',
    'app_id',
    'userId',
    'createdAt',
    'attributedTo',
    'text_lemmatized',
    'textLemmatized',
  ])('cannot shadow %s', (key) => {
    expect(check({ fine: 1, [key]: 1 })).toMatchObject({
      reason: 'metadata_shadows',
      pointer: `/metadata/${key}`,
    });
  });

  it('may use such a name further down, where it shadows nothing', () => {
    expect(check({ source: { created_at: 'x', user_id: 'y' } }).ok).toBe(true);
  });

  it.each([
    ['a list', [], 'wrong_type'],
    ['null', null, 'wrong_type'],
    ['text', 'x', 'wrong_type'],
    ['nine levels', nested(9), 'too_deep'],
    ['nine levels of lists', { a: [[[[[[[[1]]]]]]]] }, 'too_deep'],
    ['a thousand values', { a: Array(1000).fill(0) }, 'too_large'],
    ['an empty key', { '': 1 }, 'metadata_key'],
    ['a long key', { ['x'.repeat(129)]: 1 }, 'metadata_key'],
    ['a key with a NUL', { a: { 'b\u0000': 1 } }, 'metadata_key'],
    ['a broken key', { '\ud800': 1 }, 'metadata_key'],
    ['__proto__', JSON.parse('{"a":{"__proto__":{"user_id":"x"}}}'), 'metadata_key'],
    ['constructor', { constructor: 1 }, 'metadata_key'],
    ['a control character', { a: ['x\u0000'] }, 'control_character'],
    ['half a character', { a: '\udfff' }, 'control_character'],
    ['infinity', { a: Number.POSITIVE_INFINITY }, 'wrong_type'],
  ])('refuses %s', (_, value, reason) => {
    expect(check(value)).toMatchObject({ ok: false, reason, pointer: '/metadata' });
  });

  it('comes out equal and rebuilt', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.jsonValue({ maxDepth: 3 })),
        (value) => {
          const checked = check(value);
          if (!checked.ok) return;
          expect(JSON.stringify(checked.value)).toBe(JSON.stringify(value));
          expect(checked.value).not.toBe(value);
        },
      ),
    );
  });

  it('never throws and names no key of the client', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const checked = check({ secretkey: value, [`secretkey${String.fromCharCode(7)}`]: 1 });
        expect(JSON.stringify(checked)).not.toContain('secretkey');
      }),
    );
  });
});
