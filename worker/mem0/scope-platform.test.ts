import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTITY_IDS, namespaced, pooled } from '../../core/ids.ts';
import { hostedMatches } from '../../tests/fakes/hosted.ts';
import { operationById } from './catalogue/index.ts';
import { parsePlatformFilter } from './platform-filter.ts';
import { scopeRequest } from './scope.ts';
import { understand } from './understand.ts';

const ACME = pooled('acme');
const OTHERS = [ACME, pooled('globex'), pooled('acme2')];
const ID = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';

function scoped(id: string, body: unknown) {
  const operation = operationById(id);
  return scopeRequest(understand({ kind: 'row', operation, params: {} }, '', body, 'platform'), ACME);
}
const filterOf = (filters: unknown) => {
  const { body } = scoped('platform.memories.list', { filters }).call;
  return (body as { readonly filters: unknown }).filters;
};

describe('the filter that the Platform gets', () => {
  it.each([
    [{ user_id: 'bob' }, { AND: [{ user_id: 'acme:bob' }, { user_id: 'acme:bob' }] }],
    [
      { OR: [{ user_id: 'bob' }, { app_id: { in: ['a', 'b c'.replace(' ', '*')] } }] },
      {
        AND: [
          { OR: [{ user_id: 'acme:bob' }, { app_id: { in: ['acme:a', 'acme:b%2Ac'] } }] },
          { OR: [{ user_id: 'acme:bob' }, { app_id: { in: ['acme:a', 'acme:b%2Ac'] } }] },
        ],
      },
    ],
    [
      { AND: [{ user_id: 'bob' }, { memory_ids: { in: [ID] } }, { NOT: { keywords: { contains: 'x' } } }] },
      {
        AND: [
          { user_id: 'acme:bob' },
          {
            AND: [{ user_id: 'acme:bob' }, { memory_ids: [ID] }, { NOT: [{ keywords: { contains: 'x' } }] }],
          },
        ],
      },
    ],
  ])('of %j', (filters, expected) => {
    expect(filterOf(filters)).toEqual(expected);
  });

  it('asks for the owners beside the fields that the client asks for', () => {
    const { body } = scoped('platform.memories.list', { filters: { user_id: 'a' }, fields: ['memory'] }).call;
    expect(body).toMatchObject({ fields: ['memory', 'id', ...ENTITY_IDS] });
  });

  it('lists what a delete by ids will touch, a page at a time', () => {
    const operation = operationById('platform.memories.delete_all');
    const asked = { kind: 'row', operation, params: {} } as const;
    const { lists } = scopeRequest(understand(asked, 'app_id=x', undefined, 'platform'), ACME);
    expect(lists?.calls).toHaveLength(5);
    expect(lists?.calls[1]).toMatchObject({
      path: '/v3/memories/',
      query: [
        ['page', '2'],
        ['page_size', '200'],
      ],
      body: { filters: { AND: [{ app_id: 'acme:x' }] } },
    });
  });
});

const id = fc.constantFrom('a', 'b', 'globex:a', '*a');
const kind = fc.constantFrom(...ENTITY_IDS);
const leaf = fc.oneof(
  fc.tuple(kind, id).map(([field, value]) => ({ [field]: value })),
  fc
    .tuple(kind, fc.array(id, { minLength: 1, maxLength: 3 }))
    .map(([field, list]) => ({ [field]: { in: list } })),
  fc.nat(2).map((n) => ({ metadata: { n } })),
  fc.nat(2).map((n) => ({ metadata: { n: { ne: n } } })),
  fc.constant({ memory_ids: [ID] }),
  fc.constant({ categories: { in: ['x'] } }),
);
const { node } = fc.letrec<{ node: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.record({ AND: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ OR: fc.array(tie('node'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ NOT: fc.array(tie('node'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ AND: fc.array(tie('node'), { maxLength: 2 }), OR: fc.array(tie('node'), { maxLength: 2 }) }),
  ),
}));
const memory = fc.record({
  id: fc.constantFrom(ID, '00000000-0000-4000-8000-000000000001'),
  ...Object.fromEntries(ENTITY_IDS.map((field) => [field, fc.option(id, { nil: null })])),
  metadata: fc.record({ n: fc.nat(2) }),
  categories: fc.constantFrom(['x'], ['y']),
});
type Memory = { readonly [field: string]: unknown };
const at = (space: typeof ACME, row: Memory): Memory => ({
  ...row,
  ...Object.fromEntries(
    ENTITY_IDS.map((field) => [field, row[field] === null ? null : namespaced(space, row[field] as string)]),
  ),
});

it('whatever the tree, no foreign row fulfils it, and no own row is lost that a single tenant would get', () => {
  let accepted = 0;
  fc.assert(
    fc.property(node, memory, (filters, row) => {
      let filter: unknown;
      try {
        filter = filterOf(filters);
      } catch {
        return;
      }
      accepted += 1;
      for (const other of OTHERS.slice(1)) expect(hostedMatches(filter, at(other, row))).toBe(false);
      expect(hostedMatches(filter, row)).toBe(false);
      expect(hostedMatches(filter, at(ACME, row))).toBe(hostedMatches(filters, row));
    }),
    { numRuns: 5000 },
  );
  // Enough of the trees are such that the property says something.
  expect(accepted).toBeGreaterThan(200);
});

it('what is not bound to an id of the tenant is refused, and says where', () => {
  const unbound = [
    { metadata: { n: 1 } },
    { memory_ids: [ID] },
    { OR: [{ user_id: 'a' }, { metadata: { n: 1 } }] },
  ];
  for (const filters of unbound) {
    expect(parsePlatformFilter(filters, '/filters').ok).toBe(true);
    expect(() => filterOf(filters)).toThrow(
      expect.objectContaining({ reason: 'filter_scope', pointer: '/filters' }),
    );
  }
});
