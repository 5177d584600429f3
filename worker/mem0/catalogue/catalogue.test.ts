import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZodMiniLazy, ZodMiniObject, type ZodMiniType } from 'zod/mini';
import { MEMBERS } from '../../http/json-scan.ts';
import { match } from '../match.ts';
import { OPERATIONS, operationById, TREE } from './index.ts';
import { buildTree } from './tree.ts';
import { denied, type Method, type Operation } from './types.ts';

const UUID = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** Paths that a row is meant for: each word of an alternative, and both ends of a family. */
function examples(row: Operation): string[] {
  let paths = [
    row.path
      .replace(/\{(memory_id|event_id)\}/g, UUID)
      .replace('{entity_id}', 'b%40b')
      .replace('{log}', 'acme~0~1')
      .replace('{index}', '17'),
  ];
  const words = /\{[a-z_]+=([a-z|]+)\}/.exec(row.path);
  if (words)
    paths = paths.flatMap((path) => words[1]!.split('|').map((word) => path.replace(words[0], word)));
  if (!row.path.endsWith('/**')) return paths;
  return paths.flatMap((path) => {
    const base = path.slice(0, -3);
    return [base, `${base}/`, `${base}/x`, `${base}/x/y/z/`];
  });
}

describe('every row', () => {
  it.each(OPERATIONS.map((row) => [row.id, row] as const))('%s is reached by its paths', (_, row) => {
    const method = row.method === '*' ? METHODS : [row.method];
    for (const path of examples(row)) {
      // `/v1/entities/` is a row of its own inside the family of `/v1/entities/**`.
      if (row.id === 'platform.entities.numbered' && path === '/v1/entities/') continue;
      for (const each of method) {
        expect([each, path, match(each, path)]).toMatchObject([
          each,
          path,
          { kind: 'row', operation: { id: row.id } },
        ]);
      }
    }
  });

  it.each(OPERATIONS.map((row) => [row.id, row] as const))('%s is consistent in itself', (id, row) => {
    expect(id).toMatch(/^(oss|platform|governance)\.[a-z0-9_.]+$/);
    expect(id.startsWith(`${row.dialect}.`)).toBe(true);
    if (row.method === '*') expect(row.access).toBe('deny');
    if (row.access === 'deny') expect(row.serve).toEqual({ oss: 'refuse', platform: 'refuse' });
    // What is forwarded has a schema for everything that it carries, and a known way to check its answer.
    if (row.serve.oss === 'forward') {
      expect(row.query).not.toBe('any');
      expect(row.body).not.toBe('any');
      expect(row.answer).not.toBe('unread');
      expect(row.scope).not.toBe('none');
      expect(row.owner).not.toBe('none');
    }
    if (row.serve.oss === 'forward' && row.path.includes('{memory_id}')) {
      expect(['proven', 'answer']).toContain(row.scope);
    }
  });
});

it('the members of all bodies are those that a pointer may name', () => {
  const membersOf = (schema: ZodMiniType): string[] => {
    if (schema instanceof ZodMiniLazy) return membersOf(schema._zod.innerType as ZodMiniType);
    if (schema instanceof ZodMiniObject) return Object.keys(schema.shape);
    throw new Error('a body is an object');
  };
  const members = OPERATIONS.flatMap(({ body }) => (typeof body === 'string' ? [] : membersOf(body)));
  expect([...MEMBERS].sort()).toEqual([...new Set(members)].sort());
});

describe('dangerous operations', () => {
  const DANGEROUS: readonly (readonly [string, string])[] = [
    ['POST', '/reset'],
    ['DELETE', '/reset/'],
    ['GET', '/configure'],
    ['POST', '/configure'],
    ['GET', '/configure/providers'],
    ['POST', '/auth/register'],
    ['POST', '/auth/login'],
    ['GET', '/api-keys'],
    ['DELETE', '/api-keys/1'],
    ['GET', '/entities'],
    ['POST', '/generate-instructions'],
    ['GET', '/requests'],
    ['GET', '/'],
    ['GET', '/docs'],
    ['GET', '/docs/oauth2-redirect'],
    ['GET', '/redoc'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/entities/filters/'],
    ['DELETE', '/v1/entities/user/17/'],
    ['GET', '/v1/stats/'],
    ['GET', '/v1/events/'],
    ['GET', '/v1/memories/events/'],
    ['POST', '/api/v1/webhooks/projects/p/'],
    ['DELETE', '/api/v1/orgs/organizations/o/projects/p/'],
    ['POST', '/api/v1/auth/email_code/'],
    ['POST', '/v1/agent-rush/join/'],
    ['OPTIONS', '/reset'],
    ['HEAD', '/configure'],
  ];

  it.each(DANGEROUS)('%s %s is denied by a row', (method, path) => {
    expect(match(method, path)).toMatchObject({ kind: 'row', operation: { access: 'deny' } });
  });
});

describe('HEAD, OPTIONS and unknown methods', () => {
  it('are not inherited by a governed or public row', () => {
    const rows = OPERATIONS.filter((row) => row.access !== 'deny');
    for (const path of rows.flatMap(examples)) {
      for (const method of ['HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'get']) {
        expect([path, method, match(method, path).kind]).toEqual([path, method, 'method']);
      }
    }
  });

  it('are answered with the methods that exist', () => {
    expect(match('PATCH', '/memories')).toEqual({ kind: 'method', allow: ['DELETE', 'GET', 'POST'] });
    expect(match('GET', '/search')).toEqual({ kind: 'method', allow: ['POST'] });
  });
});

describe('the assertion at load', () => {
  const row = (id: string, method: Method, path: string): Operation => ({
    ...operationById('oss.memories.get'),
    id,
    method,
    path,
  });
  const CLASHES: readonly (readonly [string, readonly Operation[]])[] = [
    ['the same path', [row('one', 'GET', '/a'), row('two', 'GET', '/a')]],
    ['the same class', [row('one', 'GET', '/a/{memory_id}'), row('two', 'GET', '/a/{memory_id}')]],
    ['a word and a literal', [row('one', 'GET', '/a/{t=x|y}'), row('two', 'GET', '/a/y')]],
    ['overlapping words', [row('one', 'GET', '/a/{t=x|y}'), row('two', 'GET', '/a/{t=y|z}')]],
    ['two classes', [row('one', 'GET', '/a/{memory_id}'), row('two', 'PUT', '/a/{entity_id}')]],
    ['a method and every method', [row('one', 'GET', '/a'), denied('oss', 'two', '/a', 'r', '')]],
    ['every method and a method', [denied('oss', 'one', '/a', 'r', ''), row('two', 'GET', '/a')]],
    ['two families', [denied('oss', 'one', '/a/**', 'r', ''), denied('oss', 'two', '/a/**', 'r', '')]],
    ['an unknown class', [row('one and two', 'GET', '/a/{id}')]],
    ['a family of one method', [row('one and two', 'GET', '/a/**')]],
    ['a family in the middle', [denied('oss', 'one and two', '/a/**/b', 'r', '')]],
    ['one id', [row('one and two', 'GET', '/a'), row('one and two', 'GET', '/b')]],
  ];

  it.each(CLASHES)('refuses %s', (_, rows) => {
    expect(() => buildTree(rows)).toThrow(/two/);
  });
});

describe('matching', () => {
  const words = OPERATIONS.flatMap((row) =>
    row.path.split('/').flatMap((segment) => segment.split(/[{}=|]/)),
  );
  const segment = fc.constantFrom(...new Set(words), UUID, 'b%40b', '*', '%2A', 'users', '..', '');
  const random = fc.array(segment, { maxLength: 7 }).map((segments) => `/${segments.join('/')}`);
  const near = fc
    .tuple(
      fc.constantFrom(...OPERATIONS.flatMap(examples)),
      fc.nat(6),
      fc.option(segment, { nil: undefined }),
    )
    .map(([example, at, other]) => {
      const segments = example.split('/');
      if (other !== undefined && at > 0 && at < segments.length) segments[at] = other;
      return segments.join('/');
    });
  const path = fc.oneof({ arbitrary: near, weight: 3 }, random);

  it('finds the one most specific row, or none', () => {
    fc.assert(
      fc.property(fc.constantFrom(...METHODS), path, (method, target) => {
        const found = match(method, target);
        const fitting = OPERATIONS.flatMap((row) => {
          const rank = specificity(row, method, target);
          return rank === undefined ? [] : [{ id: row.id, rank }];
        }).sort((a, b) => (a.rank < b.rank ? -1 : 1));
        if (found.kind === 'row') {
          expect(fitting[0]?.id).toBe(found.operation.id);
          expect(fitting[1]?.rank).not.toBe(fitting[0]?.rank);
        }
        if (fitting.length === 0) expect(found.kind).not.toBe('row');
        if (fitting.length === 1 && fitting[0]!.rank.replaceAll('0', '') === '') {
          expect(['row', 'bad_parameter']).toContain(found.kind);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('never throws, whatever the path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        match('GET', text);
        match('GET', `/memories/${text}`);
        match('DELETE', `/entities/user/${text}`);
      }),
    );
  });

  it('has built its tree', () => {
    expect(TREE.literals.size).toBeGreaterThan(10);
  });
});

/** One digit per segment, 0 a literal or word, 1 a class, 2 a family; `undefined` where the row does not fit. */
function specificity(row: Operation, method: string, target: string): string | undefined {
  if (row.method !== '*' && row.method !== method) return undefined;
  const pattern = row.path.slice(1).split('/');
  const segments = target.slice(1).split('/');
  let rank = '';
  for (const [at, each] of pattern.entries()) {
    if (each === '**') return `${rank}2`;
    const segment = segments[at];
    if (segment === undefined) return undefined;
    const words = /=([a-z|]+)\}/.exec(each)?.[1]?.split('|');
    if (words ? words.includes(segment) : each === segment) rank += '0';
    else if (!words && each.startsWith('{') && segment !== '') rank += '1';
    else return undefined;
  }
  return segments.length === pattern.length ? rank : undefined;
}
