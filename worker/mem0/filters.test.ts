import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFilter } from './filters.ts';

const parse = (value: unknown) => parseFilter(value, '/filters');

describe('a filter that is understood', () => {
  it.each([
    [{ user_id: ' bob ' }, { user_id: 'bob' }, {}],
    [{ user_id: 'a', agent_id: 'b', run_id: 'c' }, { user_id: 'a', agent_id: 'b', run_id: 'c' }, {}],
    [{ user_id: 'a', city: 'Bern', n: 3, on: true }, { user_id: 'a' }, { city: 'Bern', n: 3, on: true }],
    [{ n: { gte: 3 } }, {}, { n: { gte: 3 } }],
    [{ day: { lt: '2027-01-01' } }, {}, { day: { lt: '2027-01-01' } }],
    [{ tag: { in: ['a', 1, false] } }, {}, { tag: { in: ['a', 1, false] } }],
    [{ tag: { ne: 'a' } }, {}, { tag: { ne: 'a' } }],
    [{ tag: { icontains: 'a*' } }, {}, { tag: { icontains: 'a*' } }],
  ])('%j', (value, ids, conditions) => {
    expect(parse(value)).toEqual({ ok: true, value: { ids, conditions } });
  });
});

describe('a filter that is refused', () => {
  const BAD: readonly (readonly [unknown, string, string])[] = [
    [[], '/filters', 'wrong_type'],
    [null, '/filters', 'wrong_type'],
    [{ user_id: 'A', AND: [{ user_id: 'B' }] }, '/filters/AND', 'filter_logical'],
    [{ AND: [{ user_id: 'B' }], user_id: 'A' }, '/filters/AND', 'filter_logical'],
    [{ user_id: 'A', OR: [{ run_id: 'x' }] }, '/filters/OR', 'filter_logical'],
    [{ user_id: 'A', NOT: [{ run_id: 'x' }] }, '/filters/NOT', 'filter_logical'],
    [{ user_id: 'A', $and: [] }, '/filters/$and', 'filter_logical'],
    [{ user_id: 'A', $or: [] }, '/filters/$or', 'filter_logical'],
    [{ user_id: 'A', $where: 'x' }, '/filters', 'filter_key'],
    [{ user_id: 'A', And: [] }, '/filters', 'filter_value'],
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
    [{ city: '*' }, '/filters', 'filter_wildcard'],
    [{ city: ' *\u3000' }, '/filters', 'filter_wildcard'],
    [{ city: { eq: '*' } }, '/filters', 'filter_wildcard'],
    [{ city: { in: ['a', '*'] } }, '/filters', 'filter_wildcard'],
    [{ city: null }, '/filters', 'filter_value'],
    [{ city: ['a'] }, '/filters', 'filter_value'],
    [{ city: {} }, '/filters', 'filter_operator'],
    [{ city: { eq: 'a', ne: 'b' } }, '/filters', 'filter_operator'],
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
    [Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`k${at}`, 1])), '/filters', 'too_many'],
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

it('whatever comes in, what comes out is flat and holds no logic, wildcard or id', () => {
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
      const { ids, conditions } = parsed.value;
      for (const id of Object.values(ids)) expect(id).toBe('a');
      for (const [name, condition] of Object.entries(conditions)) {
        expect(['city', 'eq', 'in', 'ne']).toContain(name);
        expect(JSON.stringify(condition)).not.toMatch(/"\*"|AND|OR|NOT|user_id|null/);
        expect(JSON.stringify(condition)).toMatch(/^[^{[]|^\{"(eq|ne)":[^{[]|^\{"in":\[[^{[]/);
      }
    }),
    { numRuns: 3000 },
  );
});
