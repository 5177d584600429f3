import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Namespace, pooled } from '../../core/ids.ts';
import { operationById } from './catalogue/index.ts';
import { match } from './match.ts';
import { scopeRequest } from './scope.ts';
import { validateOperation } from './validate.ts';

const UUID = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';
const MESSAGES = [{ role: 'user', content: 'likes tea' }];

/** A request as it comes, up to its call to Mem0; throws when it is refused on the way. */
function scoped(
  method: string,
  path: string,
  query: [string, string][] = [],
  body?: unknown,
  space: Namespace = pooled('acme'),
) {
  const found = match(method, path);
  if (found.kind !== 'row') throw new Error(found.kind);
  const valid = validateOperation(found.operation, found.params, query, body, 'oss');
  if (!valid.ok) throw new Error(valid.reason);
  return scopeRequest(valid.request, space);
}

describe('the call to Mem0', () => {
  it('adds with namespaced ids', () => {
    const body = { messages: MESSAGES, user_id: ' bob ', run_id: 'r*1', metadata: { a: 1 }, infer: false };
    expect(scoped('POST', '/memories', [], body)).toEqual({
      call: {
        method: 'POST',
        path: '/memories',
        query: [],
        body: {
          messages: MESSAGES,
          infer: false,
          metadata: { a: 1 },
          user_id: 'acme:bob',
          run_id: 'acme:r%2A1',
        },
      },
      proves: [],
      entityIds: [
        { kind: 'user_id', value: 'bob' },
        { kind: 'run_id', value: 'r*1' },
      ],
    });
  });

  it('lists by namespaced ids', () => {
    expect(
      scoped('GET', '/memories', [
        ['top_k', '5'],
        ['user_id', 'é'],
      ]).call,
    ).toEqual({
      method: 'GET',
      path: '/memories',
      query: [
        ['user_id', 'acme:%C3%A9'],
        ['top_k', '5'],
      ],
    });
  });

  it('searches with ids in the filter only, wherever they stood', () => {
    const body = { query: 'tea', user_id: 'bob', filters: { agent_id: 'a', city: { ne: 'Bern' } }, top_k: 3 };
    expect(scoped('POST', '/search', [], body).call.body).toEqual({
      query: 'tea',
      top_k: 3,
      filters: { user_id: 'acme:bob', agent_id: 'acme:a', city: { ne: 'Bern' } },
    });
  });

  it('proves the owner before a memory is changed, deleted or its history read, and not before it is read', () => {
    const path = `/memories/${UUID}`;
    expect(scoped('PUT', path, [], { text: 'x' })).toEqual({
      call: { method: 'PUT', path, query: [], body: { text: 'x' } },
      proves: [UUID],
      entityIds: [],
    });
    expect(scoped('DELETE', path)).toEqual({
      call: { method: 'DELETE', path, query: [] },
      proves: [UUID],
      entityIds: [],
    });
    expect(scoped('GET', `${path}/history`).proves).toEqual([UUID]);
    expect(scoped('GET', path).proves).toEqual([]);
  });

  it('lists what a delete by ids will remove, expired memories too', () => {
    const { call, lists, entityIds } = scoped('DELETE', '/memories', [
      ['user_id', 'bob'],
      ['run_id', 'r'],
    ]);
    expect(call).toEqual({
      method: 'DELETE',
      path: '/memories',
      query: [
        ['user_id', 'acme:bob'],
        ['run_id', 'acme:r'],
      ],
    });
    expect(lists).toEqual({
      operation: operationById('oss.memories.list'),
      calls: [
        {
          method: 'GET',
          path: '/memories',
          query: [
            ['user_id', 'acme:bob'],
            ['run_id', 'acme:r'],
            ['top_k', '1000'],
            ['show_expired', 'true'],
          ],
        },
      ],
      most: 1000,
    });
    expect(entityIds).toHaveLength(2);
  });

  it('deletes an entity by its namespaced name, percent-encoded again', () => {
    const { call, lists } = scoped('DELETE', '/entities/agent/caf%C3%A9%3A%2525');
    expect(call).toEqual({
      method: 'DELETE',
      path: '/entities/agent/acme%3Acaf%25C3%25A9%253A%252525',
      query: [],
    });
    expect(lists?.calls[0]?.query[0]).toEqual(['agent_id', 'acme:caf%C3%A9%3A%2525']);
  });

  it('is never made for a row that is not forwarded', () => {
    expect(() => scoped('POST', '/v1/summary/', [], {})).toThrow(/not forwarded/);
    expect(() => scoped('POST', '/reset')).toThrow(/not forwarded/);
  });

  it('is never made without an id of the tenant, whatever validation let through', () => {
    for (const id of [
      'oss.memories.add',
      'oss.memories.list',
      'oss.memories.search',
      'oss.memories.delete_all',
    ]) {
      const operation = operationById(id);
      const nothing = { params: {}, ids: {}, query: {}, body: {}, conditions: [], weight: 1 };
      const request = { ...nothing, operation, serve: 'forward' } as const;
      expect(() => scopeRequest(request, pooled('acme'))).toThrow(/no id/);
    }
  });

  it('is a raw tenant’s as it names itself, and no step of a path', () => {
    const raw = { tenant: 'acme', raw: true };
    const remove = (id: string) => scoped('DELETE', `/entities/user/${id}`, [], undefined, raw).call.path;
    expect(remove('a@b')).toBe('/entities/user/a%40b');
    expect(scoped('GET', '/memories', [['user_id', 'xy:z']], undefined, raw).call.query).toEqual([
      ['user_id', 'xy:z'],
    ]);
    for (const dots of ['.', '..']) expect(() => remove(dots)).toThrow();
  });
});

/** The ways out of a tenant that were seen on the real server: refused, or harmless in the call that is made. */
describe('an escape', () => {
  type Attempt = readonly [method: string, path: string, query: readonly [string, string][], body: unknown];
  const q = (filters: unknown): Attempt => ['POST', '/search', [], { query: 'q', filters }];
  const REFUSED: readonly Attempt[] = [
    q({ user_id: 'A', AND: [{ user_id: 'B' }] }),
    q({ AND: [{ user_id: 'B' }], user_id: 'A' }),
    q({ user_id: 'A', AND: [{ user_id: '*' }] }),
    q({ user_id: 'A', AND: [{ user_id: { ne: 'zz' } }] }),
    q({ run_id: 'r', OR: [{ user_id: 'B' }] }),
    q({ user_id: '*', NOT: [{ run_id: 'x' }] }),
    q({ OR: [{ user_id: 'A' }, { user_id: 'B' }] }),
    q({ user_id: { ne: 'zz' } }),
    q({ user_id: '*' }),
    q({ user_id: '\u00a0*\u3000' }),
    q({ user_id: 42 }),
    q({ user_id: true }),
    q({ memory_ids: [UUID], user_id: 'A' }),
    q({ category: 'x' }),
    ['POST', '/search', [], { query: 'q', user_id: '*', filters: { user_id: 'A' } }],
    ['POST', '/search', [], { query: 'q', user_id: 'B', filters: { user_id: 'A' } }],
    ['GET', '/memories', [], undefined],
    ['GET', '/memories', [['user_id', '*']], undefined],
    ['GET', '/memories', [['user_id', '']], undefined],
    ['GET', '/memories', [['User_Id', 'A']], undefined],
    ['GET', '/memories', [['userId', 'A']], undefined],
    ['GET', '/memories', [['user_id[]', 'A']], undefined],
    ['GET', '/memories', [['app_id', 'A']], undefined],
    ['DELETE', '/memories', [['user_id', '*']], undefined],
    ['DELETE', '/memories', [], undefined],
    ['DELETE', '/entities/user/%2A', [], undefined],
    ['DELETE', '/entities/user/%C2%A0%2A', [], undefined],
    ['GET', '/%6demories', [], undefined],
    ['GET', `/memories/${UUID}%2Fhistory`, [], undefined],
    ['DELETE', `/memories/${UUID.toUpperCase()}`, [], undefined],
    ['GET', `/memories/{${UUID}}`, [], undefined],
    ['POST', '/memories', [], { messages: MESSAGES, user_id: '*' }],
    ['POST', '/memories', [], { messages: MESSAGES, user_id: 'A', filters: { user_id: 'B' } }],
    ['POST', '/memories', [], { messages: MESSAGES, user_id: 'A', metadata: { user_id: 'globex:B' } }],
    ['POST', '/memories', [], { messages: MESSAGES, agent_id: 'A', metadata: { userId: 'globex:B' } }],
    ['POST', '/memories', [], { messages: MESSAGES, user_id: 'A', metadata: { created_at: 5 } }],
    ['PUT', `/memories/${UUID}`, [], { text: 'x', metadata: { hash: {} } }],
  ];

  it.each(REFUSED)('%s %s %j %j is refused', (method, path, query, body) => {
    expect(() => scoped(method, path, [...query], body)).toThrow(/^(?!.*(not forwarded|no id to))/);
  });

  const HARMLESS: readonly (readonly [string, string, readonly [string, string][], unknown, RegExp])[] = [
    ['GET', '/memories', [['user_id', 'globex:bob']], undefined, /acme:globex%3Abob/],
    ['GET', '/memories', [['agent_id', 'bot']], undefined, /"agent_id","acme:bot"/],
    ['GET', '/memories', [['user_id', '\u2003bob']], undefined, /"acme:bob"/],
    ['GET', '/memories', [['user_id', '**']], undefined, /"acme:%2A%2A"/],
    ['GET', '/memories', [['user_id', '＊']], undefined, /"acme:%EF%BC%8A"/],
    ['GET', '/memories', [['user_id', 'a&user_id=*']], undefined, /"acme:a%26user_id%3D%2A"/],
    [
      'POST',
      '/search',
      [],
      { query: 'q', filters: { user_id: 'globex:*' } },
      /"filters":\{"user_id":"acme:globex%3A%2A"\}/,
    ],
    [
      'POST',
      '/search',
      [],
      { query: 'q', user_id: 'A' },
      /^(?!.*"user_id":"A").*"filters":\{"user_id":"acme:A"\}/,
    ],
    ['DELETE', '/entities/user/globex%3Abob', [], undefined, /\/entities\/user\/acme%3Aglobex%253Abob/],
    ['DELETE', '/entities/user/..', [], undefined, /\/entities\/user\/acme%3A\.\./],
  ];

  it.each(HARMLESS)('%s %s %j %j stays inside', (method, path, query, body, expected) => {
    expect(JSON.stringify(scoped(method, path, [...query], body).call)).toMatch(expected);
  });

  it('is not in any id: every id that goes out is the tenant’s own, and two tenants never meet', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.constantFrom('acme', 'acme.', 'a'),
        (id, tenant) => {
          for (const query of [[['user_id', id]], [['agent_id', id]], [['run_id', id]]] as [
            string,
            string,
          ][][]) {
            let call: ReturnType<typeof scoped>['call'];
            try {
              call = scoped('GET', '/memories', query, undefined, pooled(tenant)).call;
            } catch {
              continue;
            }
            expect(call.query).toHaveLength(1);
            expect(call.query[0]![1].startsWith(`${tenant}:`)).toBe(true);
            expect(call.query[0]![1].slice(tenant.length + 1)).toMatch(/^[A-Za-z0-9._~@%-]+$/);
          }
        },
      ),
    );
  });
});
