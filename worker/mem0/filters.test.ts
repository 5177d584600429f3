import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFilter, rebuildFilter } from './filters.ts';

const parse = (value: unknown) => parseFilter(value, '/filters');

/** What Mem0 gets of a filter in the tenant acme, as text: the order of keys matters. */
function sent(value: unknown): string {
  const parsed = parse(value);
  if (!parsed.ok) throw new Error(parsed.reason);
  const { ids, members } = parsed.value;
  const scoped = Object.entries(ids).map(([kind, id]) => [kind, `acme:${id}`] as const);
  return JSON.stringify(rebuildFilter(scoped, members));
}

describe('a filter that is understood', () => {
  it.each([
    [{ user_id: ' bob ' }, { user_id: 'acme:bob' }],
    [
      { user_id: 'a', agent_id: 'b', run_id: 'c' },
      { user_id: 'acme:a', agent_id: 'acme:b', run_id: 'acme:c' },
    ],
    [
      { city: 'Bern', n: 3, on: true, user_id: 'a' },
      { user_id: 'acme:a', city: 'Bern', n: 3, on: true },
    ],
    [{ n: { gte: 3 } }, { n: { gte: 3 } }],
    [{ n: { lt: 5, gte: 3 } }, { n: { lt: 5, gte: 3 } }],
    [{ day: { lt: '2027-01-01' } }, { day: { lt: '2027-01-01' } }],
    [{ tag: { in: ['a', 1, false] } }, { tag: { in: ['a', 1, false] } }],
    [{ tag: ['a', 'b'] }, { tag: { in: ['a', 'b'] } }],
    [{ tag: { ne: 'a' } }, { tag: { ne: 'a' } }],
    [{ tag: { icontains: 'a*' } }, { tag: { icontains: 'a*' } }],
    [{ tag: ' * ' }, { tag: '*' }],
    [{ tag: { eq: '*' } }, { tag: { eq: '*' } }],
    // The later of two conditions on one key decides, so the order is kept.
    [
      { city: 'Bern', AND: [{ city: 'Basel' }] },
      { city: 'Bern', AND: [{ city: 'Basel' }] },
    ],
    [
      { AND: [{ city: 'Basel' }, { n: 1 }], city: 'Bern' },
      { AND: [{ city: 'Basel' }, { n: 1 }], city: 'Bern' },
    ],
    [
      { user_id: 'A', OR: [{ a: 1, b: 2 }, { c: { ne: 3 } }] },
      { user_id: 'acme:A', OR: [{ a: 1, b: 2 }, { c: { ne: 3 } }] },
    ],
    [
      { NOT: [{ a: '*' }], user_id: 'A' },
      { user_id: 'acme:A', NOT: [{ a: '*' }] },
    ],
  ])('%j', (value, expected) => {
    expect(sent(value)).toBe(JSON.stringify(expected));
  });
});

describe('a filter that is refused', () => {
  const BAD: readonly (readonly [unknown, string, string])[] = [
    [[], '/filters', 'wrong_type'],
    [null, '/filters', 'wrong_type'],
    [{ user_id: 'A', AND: [{ user_id: 'B' }] }, '/filters/AND/0/user_id', 'filter_id_inside'],
    [{ AND: [{ a: 1 }, { user_id: 'B' }], user_id: 'A' }, '/filters/AND/1/user_id', 'filter_id_inside'],
    [{ user_id: 'A', OR: [{ run_id: 'x' }] }, '/filters/OR/0/run_id', 'filter_id_inside'],
    [{ user_id: 'A', OR: [{ app_id: 'x' }] }, '/filters/OR/0/app_id', 'filter_id_inside'],
    [{ user_id: 'A', OR: [{ userId: 'x' }] }, '/filters/OR/0/userId', 'filter_field'],
    [{ user_id: 'A', NOT: [{ run_id: 'x' }] }, '/filters/NOT/0/run_id', 'filter_id_inside'],
    [{ user_id: 'A', NOT: [{ AND: [{ a: 1 }] }] }, '/filters/NOT/0/AND', 'filter_nested'],
    [{ user_id: 'A', OR: [{ a: 1 }, {}] }, '/filters/OR/1', 'empty'],
    [{ user_id: 'A', OR: [] }, '/filters/OR', 'empty'],
    [{ user_id: 'A', AND: { a: 1 } }, '/filters/AND', 'wrong_type'],
    [{ user_id: 'A', AND: ['a'] }, '/filters/AND/0', 'wrong_type'],
    [{ user_id: 'A', AND: [['a']] }, '/filters/AND/0', 'wrong_type'],
    [{ user_id: 'A', AND: [{ $or: [] }] }, '/filters/AND/0', 'filter_key'],
    [{ user_id: 'A', AND: [{ a: { b: 1 } }] }, '/filters/AND/0', 'filter_operator'],
    [{ user_id: 'A', $and: [] }, '/filters', 'filter_key'],
    [{ user_id: 'A', $or: [] }, '/filters', 'filter_key'],
    [{ user_id: 'A', $where: 'x' }, '/filters', 'filter_key'],
    [{ user_id: 'A', And: [] }, '/filters', 'filter_value'],
    [{ user_id: 'A', And: [{ user_id: 'B' }] }, '/filters', 'filter_value'],
    [{ user_id: { ne: 'zz' } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ user_id: { eq: 'A' } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ user_id: { in: ['A', 'B'] } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ agent_id: ['A', 'B'] }, '/filters/agent_id', 'filter_operator_on_id'],
    [{ user_id: 42 }, '/filters/user_id', 'wrong_type'],
    [{ user_id: true }, '/filters/user_id', 'wrong_type'],
    [{ user_id: null }, '/filters/user_id', 'wrong_type'],
    [{ user_id: '*' }, '/filters/user_id', 'id_wildcard'],
    [{ run_id: '\u00a0*\u3000' }, '/filters/run_id', 'id_wildcard'],
    [{ run_id: '' }, '/filters/run_id', 'id_empty'],
    [{ user_id: 'A', userId: 'B' }, '/filters/userId', 'filter_field'],
    [{ user_id: 'A', app_id: 'x' }, '/filters/app_id', 'filter_field'],
    [{ user_id: 'A', data: { contains: 'x' } }, '/filters/data', 'filter_field'],
    [{ user_id: 'A', created_at: { gt: 'x' } }, '/filters/created_at', 'filter_field'],
    [{ user_id: 'A', 'a.b': 1 }, '/filters', 'filter_key'],
    [{ user_id: 'A', "a'--": 1 }, '/filters', 'filter_key'],
    [{ user_id: 'A', '': 1 }, '/filters', 'filter_key'],
    [JSON.parse('{"user_id":"A","__proto__":"x"}'), '/filters', 'filter_key'],
    [{ city: null }, '/filters', 'filter_value'],
    [{ city: [] }, '/filters', 'filter_value'],
    [{ city: [['a']] }, '/filters', 'filter_value'],
    [{ city: [{ a: 1 }] }, '/filters', 'filter_value'],
    [{ city: {} }, '/filters', 'filter_operator'],
    [{ city: { eq: 'a', like: 'b' } }, '/filters', 'filter_operator'],
    [{ city: { like: 'a' } }, '/filters', 'filter_operator'],
    [{ city: { $eq: 'a' } }, '/filters', 'filter_operator'],
    [{ city: { toString: 'a' } }, '/filters', 'filter_operator'],
    [{ city: { eq: { user_id: 'B' } } }, '/filters', 'filter_value'],
    [{ city: { eq: ['a'] } }, '/filters', 'filter_value'],
    [{ city: { in: 'a' } }, '/filters', 'filter_value'],
    [{ city: { in: [] } }, '/filters', 'filter_value'],
    [{ city: { in: [['a']] } }, '/filters', 'filter_value'],
    [{ city: { in: Array(101).fill('a') } }, '/filters', 'filter_value'],
    [{ city: { gt: true } }, '/filters', 'filter_value'],
    [{ city: { contains: 1 } }, '/filters', 'filter_value'],
    [{ city: 'x'.repeat(1025) }, '/filters', 'filter_value'],
    [{ city: 'a\u0000' }, '/filters', 'control_character'],
    [Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`k${at}`, 1])), '/filters', 'too_many'],
  ];

  it.each(BAD)('%j', (value, pointer, reason) => {
    expect(parse(value)).toMatchObject({ ok: false, pointer, reason });
  });

  it('says which member is at fault without repeating it', () => {
    const refused = parse({ user_id: 'A', diagnosis: { like: 'x' } });
    expect(refused).toMatchObject({ detail: expect.stringContaining('member 2') });
    expect(JSON.stringify(refused)).not.toContain('diagnosis');
  });
});

it('whatever comes in, what comes out holds the given ids at its top and no other anywhere', () => {
  const key = fc.constantFrom(
    'AND',
    'OR',
    'NOT',
    '$or',
    'user_id',
    'agent_id',
    'userId',
    'city',
    'eq',
    'in',
    'ne',
    '*',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('*', 'a', 1, true, null),
      fc.dictionary(key, tie('tree'), { maxKeys: 3 }),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, tree, { maxKeys: 4 }), (value) => {
      const parsed = parse(value);
      if (!parsed.ok) return;
      const text = JSON.stringify(rebuildFilter([['user_id', 'acme:a']], parsed.value.members));
      for (const id of Object.values(parsed.value.ids)) expect(id).toBe('a');
      const { user_id: own, ...rest } = JSON.parse(text);
      expect(own).toBe('acme:a');
      expect(JSON.stringify(rest)).not.toMatch(/_id"|userId|\$|null/);
      for (const [name, member] of Object.entries(rest)) {
        if (!['AND', 'OR', 'NOT'].includes(name)) continue;
        expect(JSON.stringify(member)).not.toMatch(/AND|OR|NOT|\{\}/);
      }
    }),
    { numRuns: 3000 },
  );
});
