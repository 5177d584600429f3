import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pooled } from '../../core/ids.ts';
import { checkAnswer } from './answers.ts';
import { OPERATIONS, operationById } from './catalogue/index.ts';
import { OSS_ENTITIES } from './catalogue/oss.ts';
import { ownerOf } from './rows.ts';

const ACME = pooled('acme');
const RAW = { tenant: 'acme', raw: true };
const A = '3f2b8c1a-0d4e-4f6a-9b7c-5e1d2a3b4c5d';
const B = '00000000-0000-4000-8000-000000000001';
const row = (more: object = {}) => ({ id: A, memory: 'likes tea', user_id: 'acme:bob', ...more });

function check(id: string, answer: unknown, proven?: string[]) {
  return checkAnswer(operationById(id), ACME, answer, proven ? { proven } : {});
}

describe('whose a row is', () => {
  it.each([
    [{ user_id: 'acme:bob' }, 'own'],
    [{ user_id: 'acme:bob', agent_id: 'acme:a', run_id: null }, 'own'],
    [{ app_id: 'acme:x' }, 'own'],
    [{}, 'nobody'],
    [{ user_id: null }, 'nobody'],
    [null, 'nobody'],
    ['acme:bob', 'nobody'],
    [[{ user_id: 'acme:bob' }], 'nobody'],
    [{ user_id: 'globex:bob' }, 'foreign'],
    [{ user_id: 'acme:bob', agent_id: 'globex:a' }, 'foreign'],
    [{ user_id: 'bob' }, 'foreign'],
    [{ user_id: '' }, 'foreign'],
    [{ user_id: 'acme2:bob' }, 'foreign'],
    [{ user_id: 'acme:*' }, 'foreign'],
    [{ user_id: ['acme:bob'] }, 'foreign'],
    [{ user_id: 7 }, 'foreign'],
    [{ user_id: 'acme:bob', run_id: {} }, 'foreign'],
    [Object.create({ user_id: 'acme:bob' }), 'nobody'],
  ])('%j is %s', (value, expected) => {
    expect(ownerOf(ACME, value)).toBe(expected);
  });

  it.each([
    [{ user_id: 'bob' }, 'own'],
    [{ user_id: 'globex:bob', agent_id: 'x' }, 'own'],
    [{}, 'nobody'],
    [{ user_id: 7 }, 'foreign'],
  ])('of a raw tenant: %j is %s', (value, expected) => {
    expect(ownerOf(RAW, value)).toBe(expected);
  });
});

describe('one memory', () => {
  it('comes with its ids restored and known fields only', () => {
    const full = row({
      user_id: 'acme:caf%C3%A9',
      run_id: null,
      score: 0.5,
      created_at: '2027-01-01T00:00:00Z',
      hash: 'h',
      embedding: [1, 2],
      org_id: 'o',
      metadata: { city: 'Bern', user_id: 'acme:caf%C3%A9', agentId: 'globex:x', nested: { user_id: 'kept' } },
    });
    expect(check('oss.memories.get', full)).toEqual({
      ok: true,
      body: {
        id: A,
        memory: 'likes tea',
        hash: 'h',
        metadata: { city: 'Bern', user_id: 'café', nested: { user_id: 'kept' } },
        score: 0.5,
        created_at: '2027-01-01T00:00:00Z',
        user_id: 'café',
      },
      rows: 1,
      withheld: 0,
      memoryIds: [A],
    });
  });

  it.each([
    ['another tenant’s', row({ user_id: 'globex:bob' })],
    ['partly another tenant’s', row({ agent_id: 'globex:x' })],
    ['nobody’s', { id: A, memory: 'x' }],
    ['one from before the gateway', row({ user_id: 'bob' })],
    ['missing', null],
  ])('%s is not proven, and not told apart', (_, answer) => {
    expect(check('oss.memories.get', answer)).toEqual({ ok: false, reason: 'owner_unproven' });
  });

  it('may be missing after its owner was proven', () => {
    expect(check('oss.memories.get', null, [A])).toMatchObject({ ok: true, body: null });
  });
});

describe('a list', () => {
  it('leaves out what is not the tenant’s, and counts it', () => {
    const results = [
      row(),
      row({ id: B, user_id: 'globex:bob' }),
      { id: B, memory: 'nobody’s' },
      row({ id: B, user_id: 'acme:bob', run_id: 'acme2:r' }),
      row({ id: B, agent_id: 'acme:a', score: 0.9 }),
    ];
    for (const id of ['oss.memories.list', 'oss.memories.search']) {
      expect(check(id, { results, relations: [{ source: 'x' }], total: 5 })).toEqual({
        ok: true,
        body: {
          results: [
            { id: A, memory: 'likes tea', user_id: 'bob' },
            { id: B, memory: 'likes tea', score: 0.9, user_id: 'bob', agent_id: 'a' },
          ],
        },
        rows: 2,
        withheld: 3,
        memoryIds: [A, B],
      });
    }
  });

  it('may be empty', () => {
    expect(check('oss.memories.list', { results: [] })).toMatchObject({
      ok: true,
      body: { results: [] },
      withheld: 0,
    });
  });

  it('passes odd values of known fields and metadata as they are', () => {
    const odd = row({ created_at: 5, metadata: { __proto__: null, created_at: {} }, hash: null });
    const parsed = JSON.parse('{"results":[]}') as { results: unknown[] };
    parsed.results.push(odd, row({ id: B, metadata: JSON.parse('{"__proto__":{"user_id":"acme:x"}}') }));
    const checked = check('oss.memories.list', parsed);
    expect(checked).toMatchObject({ ok: true, rows: 2, withheld: 0 });
    expect(JSON.stringify(checked)).toContain('"created_at":5');
    expect(checked).toHaveProperty('body.results.1.metadata');
    expect(checked).not.toHaveProperty('body.results.1.metadata.user_id');
  });
});

describe('an addition', () => {
  it('is the tenant’s own, without owner ids', () => {
    const answer = {
      results: [{ id: A, memory: 'x', event: 'ADD', role: 'user', secret: 1 }],
      relations: [],
    };
    expect(check('oss.memories.add', answer)).toEqual({
      ok: true,
      body: { results: [{ id: A, memory: 'x', event: 'ADD', role: 'user' }] },
      rows: 1,
      withheld: 0,
      memoryIds: [A],
    });
  });

  it('withholds a result that names another owner', () => {
    const answer = { results: [{ id: A, memory: 'x', event: 'ADD', user_id: 'globex:x' }] };
    expect(check('oss.memories.add', answer)).toMatchObject({
      ok: true,
      rows: 0,
      withheld: 1,
      memoryIds: [],
    });
  });
});

describe('a history', () => {
  it('holds rows of the proven memory, or of none', () => {
    const rows = [
      { id: '1', memory_id: A, old_memory: null, new_memory: 'x', event: 'ADD', is_deleted: 0, extra: 1 },
      { id: '2', memory_id: B, new_memory: 'another’s' },
      { id: '3', new_memory: 'y' },
      { id: '4', memory_id: A, new_memory: 'z', user_id: 'globex:x' },
      { id: '5', memory_id: [A], new_memory: 'w' },
    ];
    expect(check('oss.memories.history', rows, [A])).toEqual({
      ok: true,
      body: [
        { id: '1', memory_id: A, old_memory: null, new_memory: 'x', event: 'ADD', is_deleted: 0 },
        { id: '3', new_memory: 'y' },
      ],
      rows: 2,
      withheld: 3,
      memoryIds: [],
    });
  });
});

describe('a message', () => {
  it('is the row’s own sentence, whatever Mem0 says', () => {
    const answer = { message: 'Deleted acme:bob and globex:eve', user_id: 'globex:eve' };
    expect(check('oss.memories.delete_all', answer)).toMatchObject({
      ok: true,
      body: { message: 'All relevant memories deleted' },
    });
  });
});

describe('an answer of another shape', () => {
  const BAD: readonly (readonly [string, unknown])[] = [
    ['oss.memories.get', undefined],
    ['oss.memories.get', 'text'],
    ['oss.memories.get', []],
    ['oss.memories.get', { memory: 'no id', user_id: 'acme:bob' }],
    ['oss.memories.get', row({ id: 'likes tea' })],
    ['oss.memories.get', row({ id: A.toUpperCase() })],
    ['oss.memories.list', null],
    ['oss.memories.list', [row()]],
    ['oss.memories.list', { results: 'x' }],
    ['oss.memories.list', { results: [null] }],
    ['oss.memories.list', { results: [row(), 'x'] }],
    ['oss.memories.list', { results: [{ memory: 'x', user_id: 'acme:bob' }] }],
    ['oss.memories.search', { detail: 'x' }],
    ['oss.memories.add', { message: 'PENDING', event_id: A }],
    ['oss.memories.add', { results: [{ memory: 'x', event: 'ADD' }] }],
    ['oss.memories.history', { results: [] }],
    ['oss.memories.history', [null]],
    ['oss.memories.delete', { message: 5 }],
    ['oss.memories.delete', null],
    ['oss.memories.update', row()],
    ['platform.memories.list', [row()]],
    ['platform.memories.add', { results: [], status: 'x' }],
    ['platform.exports.get', [row()]],
    ['platform.exports.add', { id: 'latest' }],
    ['oss.reset', { message: 'All memories reset' }],
  ];

  it.each(BAD)('of %s: %j', (id, answer) => {
    expect(check(id, answer)).toEqual({ ok: false, reason: 'answer_malformed' });
  });
});

it('a list of entities that Mem0 may have cut is not taken for whole', () => {
  const entity = (id: string, total: number) => ({ id, type: 'user', total_memories: total });
  const read = (...rows: object[]) => checkAnswer(OSS_ENTITIES, ACME, rows, {});
  expect(read(entity('acme:bob', 3), entity('globex:eve', 9_000))).toMatchObject({ ok: true, rows: 1 });
  expect(read(entity('acme:bob', 3), entity('globex:eve', 9_997))).toEqual({
    ok: false,
    reason: 'answer_incomplete',
  });
});

it('whatever Mem0 answers, no row of another tenant gets out and nothing throws', () => {
  const owner = fc.constantFrom('acme:bob', 'globex:SECRET', 'acme:*', null, 7, undefined);
  const any = fc.record(
    {
      id: fc.constantFrom(A, B),
      memory_id: fc.constantFrom(A, B, null),
      memory: fc.constant('m'),
      user_id: owner,
      agent_id: owner,
      metadata: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const answer = fc.oneof(any, fc.array(any), fc.record({ results: fc.array(any) }), fc.jsonValue());
  fc.assert(
    fc.property(fc.constantFrom(...OPERATIONS), answer, (operation, value) => {
      const checked = checkAnswer(operation, ACME, value, { proven: [A] });
      expect(JSON.stringify(checked)).not.toContain('SECRET');
    }),
    { numRuns: 3000 },
  );
});
