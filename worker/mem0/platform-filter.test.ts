import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fulfils } from './bridge/fulfils.ts';
import { TRANSLATIONS } from './bridge/index.ts';
import { OPERATIONS } from './catalogue/index.ts';
import { type FilterNode, parsePlatformFilter, requiredIds } from './platform-filter.ts';

const ID = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';
const parse = (value: unknown) => parsePlatformFilter(value, '/filters');
function tree(value: unknown): FilterNode {
  const parsed = parse(value);
  if (!parsed.ok) throw new Error(`${parsed.pointer} ${parsed.reason}`);
  return parsed.value;
}
const nested = (depth: number): unknown => (depth === 0 ? { user_id: 'a' } : { AND: [nested(depth - 1)] });

describe('the ids that every result has', () => {
  it.each([
    [{ user_id: ' bob ' }, { user_id: 'bob' }],
    [
      { user_id: 'a', agent_id: { eq: 'b' } },
      { user_id: 'a', agent_id: 'b' },
    ],
    [{ AND: [{ user_id: 'a' }, { AND: [{ run_id: { in: ['r'] } }] }] }, { user_id: 'a', run_id: 'r' }],
    [{ AND: [{ user_id: 'a' }, { user_id: 'b' }] }, { user_id: 'a' }],
    [{ OR: [{ user_id: 'a' }, { user_id: 'a' }] }, {}],
    [{ AND: [{ OR: [{ user_id: 'a' }, { agent_id: 'b' }] }] }, {}],
    [{ user_id: { in: ['a', 'b'] } }, {}],
    [{ metadata: { user: 'a' } }, {}],
    [nested(7), { user_id: 'a' }],
  ])('%j', (value, ids) => {
    expect(requiredIds(tree(value))).toEqual(ids);
  });
});

const ids = (count: number) => ({ user_id: { in: Array.from({ length: count }, (_, i) => `user-${i}`) } });

describe('a filter that is refused', () => {
  it('names no more ids than it may have nodes: each may cost a token', () => {
    const named = (...counts: readonly number[]) => parse({ OR: counts.map(ids) });
    expect(named(100, 100, 50)).toMatchObject({ ok: true });
    expect(named(100, 100, 60)).toMatchObject({
      ok: false,
      reason: 'too_many',
      pointer: '/filters/OR/2/user_id',
    });
  });

  it.each([
    [null, '/filters', 'wrong_type'],
    [{}, '/filters', 'empty'],
    [{ AND: [] }, '/filters/AND', 'empty'],
    [{ AND: [{}] }, '/filters/AND/0', 'empty'],
    [{ OR: { user_id: 'a' } }, '/filters/OR', 'wrong_type'],
    [{ AND: [{ user_id: 'a' }], OR: [{ user_id: 'b' }] }, '/filters', 'filter_siblings'],
    [{ user_id: '*' }, '/filters/user_id', 'id_wildcard'],
    [{ user_id: { ne: 'a' } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ user_id: { eq: 'a', in: ['b'] } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ user_id: { in: 'a' } }, '/filters/user_id', 'filter_operator_on_id'],
    [{ user_id: { in: [] } }, '/filters/user_id', 'filter_value'],
    [{ user_id: { in: ['a', '*'] } }, '/filters/user_id', 'id_wildcard'],
    [{ user_id: 42 }, '/filters/user_id', 'wrong_type'],
    [{ user_id: null }, '/filters/user_id', 'wrong_type'],
    [{ user_id: ['a'] }, '/filters/user_id', 'wrong_type'],
    [{ NOT: [{ user_id: 'a' }] }, '/filters/NOT/0/user_id', 'filter_id_negated'],
    [{ NOT: [{ AND: [{ agent_id: 'a' }] }] }, '/filters/NOT/0/AND/0/agent_id', 'filter_id_negated'],
    [{ NOT: [{ app_id: 'x' }] }, '/filters/NOT/0/app_id', 'filter_id_negated'],
    [{ app_id: '*' }, '/filters/app_id', 'id_wildcard'],
    [{ AND: [{ categories: { like: ['x'] } }] }, '/filters/AND/0', 'filter_operator'],
    [{ expiration_date: { gt: 'soon' } }, '/filters/expiration_date', 'not_a_time'],
    [{ created_at: '2026-01-01' }, '/filters/created_at', 'filter_operator'],
    [{ created_at: { gte: 'yesterday' } }, '/filters/created_at', 'not_a_time'],
    [{ created_at: { gte: 1 } }, '/filters/created_at', 'not_a_time'],
    [{ created_at: { ne: '2026-01-01' } }, '/filters/created_at', 'filter_operator'],
    [{ memory_ids: [ID.toUpperCase()] }, '/filters/memory_ids', 'not_a_uuid'],
    [{ memory_ids: ID }, '/filters/memory_ids', 'filter_value'],
    [{ metadata: 'x' }, '/filters/metadata', 'wrong_type'],
    [{ metadata: { user_id: 'x' } }, '/filters/metadata/user_id', 'filter_field'],
    [{ metadata: { a: { like: 1 } } }, '/filters/metadata', 'filter_operator'],
    [{ diagnosis: 'x' }, '/filters', 'filter_field'],
    [{ $or: [] }, '/filters', 'filter_field'],
    [nested(8), '/filters/AND/0/AND/0/AND/0/AND/0/AND/0/AND/0/AND/0/AND/0', 'too_deep'],
    [{ OR: Array(257).fill({ user_id: 'a' }) }, '/filters/OR/255', 'too_many'],
  ])('%j', (value, pointer, reason) => {
    expect(parse(value)).toMatchObject({ ok: false, pointer, reason });
  });

  it('never repeats a name of the client’s', () => {
    expect(JSON.stringify(parse({ user_id: 'a', diagnosis: 'x' }))).not.toContain('diagnosis');
  });
});

describe('a memory', () => {
  const ROW = {
    id: ID,
    user_id: 'a',
    metadata: { city: 'Bern', n: 3, on: true, none: null },
    created_at: '2026-03-01T12:00:00.000Z',
  };

  it.each([
    [{ user_id: 'a' }, true],
    [{ user_id: { in: ['b', 'a'] } }, true],
    [{ agent_id: 'a' }, false],
    [{ memory_ids: [ID] }, true],
    [{ metadata: { city: 'Bern', n: 3 } }, true],
    [{ metadata: { city: 'bern' } }, false],
    [{ metadata: { city: { icontains: 'BER' } } }, true],
    [{ metadata: { n: { gt: 2, lte: 3 } } }, true],
    [{ metadata: { n: { gt: '2' } } }, false],
    [{ metadata: { n: '3' } }, false],
    [{ metadata: { on: true } }, true],
    [{ metadata: { city: '*' } }, true],
    [{ metadata: { none: '*' } }, false],
    [{ metadata: { absent: '*' } }, false],
    [{ metadata: { absent: { ne: 1 } } }, true],
    [{ metadata: { toString: '*' } }, false],
    [{ NOT: { metadata: { city: 'Bern' } } }, false],
    [{ NOT: [{ metadata: { city: 'Basel' } }, { metadata: { n: 3 } }] }, false],
    [{ created_at: { gte: '2026-03-01', lt: '2026-03-02' } }, true],
    [{ created_at: { gte: '2026-03-01T13:00:00+01:00' } }, true],
    [{ created_at: { gt: '2026-03-01T13:00:00+01:00' } }, false],
    [{ updated_at: { gt: '2020-01-01' } }, false],
    [{ NOT: [{ updated_at: { gt: '2020-01-01' } }] }, true],
  ])('fulfils %j: %s', (filter, expected) => {
    expect(fulfils(tree(filter), ROW)).toBe(expected);
  });

  it('that fulfils a filter has every id that the filter requires', () => {
    const id = fc.constantFrom('a', 'b');
    const leaf = fc.oneof(
      fc.record({ user_id: id }),
      fc.record({ agent_id: fc.record({ in: fc.array(id, { minLength: 1, maxLength: 2 }) }) }),
      fc.record({ metadata: fc.record({ n: fc.integer({ min: 0, max: 2 }) }) }),
    );
    const { node } = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.record({ AND: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
        fc.record({ OR: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
        fc.record({
          NOT: fc.array(fc.record({ metadata: fc.record({ n: fc.nat(2) }) }), { minLength: 1, maxLength: 2 }),
        }),
      ),
    }));
    const row = fc.record({ user_id: id, agent_id: id, metadata: fc.record({ n: fc.nat(2) }) });
    fc.assert(
      fc.property(node, row, (filter, memory) => {
        const parsed = tree(filter);
        if (!fulfils(parsed, memory)) return;
        for (const [kind, required] of Object.entries(requiredIds(parsed))) {
          expect(memory[kind as 'user_id']).toBe(required);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

it('every row that says so has a translation, and no other', () => {
  const translated = OPERATIONS.filter(({ serve }) => serve.oss === 'translate').map(({ id }) => id);
  expect(Object.keys(TRANSLATIONS).sort()).toEqual(translated.sort());
});
