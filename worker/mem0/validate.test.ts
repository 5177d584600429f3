import { describe, expect, it } from 'vitest';
import { OPERATIONS, operationById } from './catalogue/index.ts';
import { validateOperation } from './validate.ts';

const MESSAGES = [{ role: 'user', content: 'likes tea' }];
const ADD = { messages: MESSAGES, user_id: 'bob' };
const SEARCH = { query: 'tea', user_id: 'bob' };

function validate(id: string, query: [string, string][] = [], body?: unknown, params = {}) {
  return validateOperation(operationById(id), params, query, body, 'oss');
}

describe('what is accepted', () => {
  it('comes out rebuilt, ids apart from the rest', () => {
    const body = {
      ...ADD,
      user_id: ' bob ',
      run_id: 'r1',
      metadata: { tags: ['a', { b: null }], n: 1.5 },
      expiration_date: '2028-02-29',
      infer: false,
    };
    const valid = validate('oss.memories.add', [], body);
    expect(valid).toEqual({
      ok: true,
      request: {
        operation: operationById('oss.memories.add'),
        serve: 'forward',
        params: {},
        ids: { user_id: 'bob', run_id: 'r1' },
        query: {},
        body: {
          messages: MESSAGES,
          metadata: { tags: ['a', { b: null }], n: 1.5 },
          expiration_date: '2028-02-29',
          infer: false,
        },
        conditions: [],
        weight: 1,
      },
    });
    const kept = valid.ok ? valid.request.body : undefined;
    expect(kept?.messages).not.toBe(body.messages);
    expect(kept?.metadata).not.toBe(body.metadata);
  });

  it('reads query ids and values', () => {
    const query: [string, string][] = [
      ['agent_id', ' a@b '],
      ['top_k', '1000'],
      ['show_expired', 'true'],
    ];
    expect(validate('oss.memories.list', query)).toMatchObject({
      request: { ids: { agent_id: 'a@b' }, query: { top_k: '1000', show_expired: 'true' }, body: undefined },
    });
  });

  it('takes the ids of a search from its filter, its top level, or both when they agree', () => {
    const both = { query: 'q', user_id: 'bob', filters: { user_id: ' bob', run_id: 'r', city: 'Bern' } };
    expect(validate('oss.memories.search', [], both)).toMatchObject({
      request: {
        ids: { user_id: 'bob', run_id: 'r' },
        conditions: [{ key: 'city', test: { is: 'equal', value: 'Bern' } }],
        body: { query: 'q' },
      },
    });
  });

  it('knows the id of an entity’s path', () => {
    const params = { entity_type: 'agent', entity_id: 'a' };
    expect(validate('oss.entities.delete', [], undefined, params)).toMatchObject({
      request: { ids: { agent_id: 'a' } },
    });
  });

  it('lets text hold line breaks and tabs', () => {
    const body = { ...ADD, messages: [{ role: 'user', content: 'a\n\tb\r\n' }] };
    expect(validate('oss.memories.add', [], body).ok).toBe(true);
  });

  it('takes a null date in an update, to take the date away', () => {
    expect(validate('oss.memories.update', [], { expiration_date: null }).ok).toBe(true);
  });

  it.each([
    [1, 1],
    [100, 1],
    [101, 2],
    [400, 4],
  ])('weighs a batch of %i as %i', (n, weight) => {
    const id = (at: number) => `3f2b8c1a-0d4e-4f6a-9b7c-${String(at).padStart(12, '0')}`;
    const memories = Array.from({ length: n }, (_, at) => ({ memory_id: id(at) }));
    expect(validate('platform.batch.delete', [], { memories })).toMatchObject({ request: { weight } });
    expect(validate('platform.batch.delete', [], { memories: [...memories, memories[0]] })).toMatchObject({
      ok: false,
    });
  });

  it.each(OPERATIONS.filter((row) => row.access === 'deny').map((row) => row.id))(
    'anything on %s, so that the denial is what answers',
    (id) => {
      expect(validate(id, [['x', 'y']], { any: 'thing' }).ok).toBe(true);
    },
  );
});

describe('queries', () => {
  it.each([
    ['User_Id', 'bob', '', 'unknown_query_key'],
    ['userId', 'bob', '', 'unknown_query_key'],
    ['user_id[]', 'bob', '', 'unknown_query_key'],
    ['app_id', 'bob', '', 'unknown_query_key'],
    ['user_id\u0000', 'bob', '', 'unknown_query_key'],
    ['__proto__', 'bob', '', 'unknown_query_key'],
    ['constructor', 'bob', '', 'unknown_query_key'],
    ['org_id', 'o', '', 'unknown_query_key'],
    ['user_id', '', '/user_id', 'id_empty'],
    ['user_id', '*', '/user_id', 'id_wildcard'],
    ['user_id', '\u00a0*\u3000', '/user_id', 'id_wildcard'],
    ['user_id', 'a\u0007', '/user_id', 'id_control_character'],
    ['top_k', '1001', '/top_k', 'out_of_range'],
    ['top_k', '-1', '/top_k', 'wrong_type'],
    ['top_k', '1.5', '/top_k', 'wrong_type'],
    ['top_k', '0x10', '/top_k', 'wrong_type'],
    ['top_k', '1e3', '/top_k', 'wrong_type'],
    ['top_k', ' 5', '/top_k', 'wrong_type'],
    ['top_k', '', '/top_k', 'wrong_type'],
    ['show_expired', 'True', '/show_expired', 'wrong_type'],
    ['show_expired', '1', '/show_expired', 'wrong_type'],
  ])('%j=%j is refused', (key, value, pointer, reason) => {
    const others: [string, string][] = key === 'user_id' ? [] : [['user_id', 'bob']];
    expect(validate('oss.memories.list', [...others, [key, value]])).toMatchObject({
      ok: false,
      in: 'query',
      pointer,
      reason,
    });
  });

  it.each(['oss.memories.get', 'oss.memories.delete', 'oss.memories.history', 'oss.memories.add'])(
    '%s takes none',
    (id) => {
      expect(validate(id, [['user_id', 'bob']], undefined)).toMatchObject({
        ok: false,
        reason: 'unknown_query_key',
      });
    },
  );
});

describe('an id is required', () => {
  it.each([
    ['oss.memories.list', [['top_k', '5']], undefined, 'query'],
    ['oss.memories.delete_all', [], undefined, 'query'],
    ['oss.memories.add', [], { messages: MESSAGES }, 'body'],
    ['oss.memories.search', [], { query: 'q' }, 'body'],
    ['oss.memories.search', [], { query: 'q', filters: {} }, 'body'],
    ['oss.memories.search', [], { query: 'q', filters: { city: 'Bern' } }, 'body'],
  ] as const)('by %s', (id, query, body, place) => {
    const found = validate(id, query as unknown as [string, string][], body);
    expect(found).toMatchObject({ ok: false, in: place, reason: 'scope_required', pointer: '' });
  });
});

describe('bodies', () => {
  const BAD: readonly (readonly [string, string, unknown, string, string])[] = [
    ['no body', 'oss.memories.add', undefined, '', 'body_required'],
    ['a list', 'oss.memories.add', [ADD], '', 'body_required'],
    ['null', 'oss.memories.search', null, '', 'body_required'],
    ['an unknown key', 'oss.memories.add', { ...ADD, app_id: 'x' }, '', 'unknown_body_key'],
    ['a project', 'oss.memories.search', { ...SEARCH, project_id: 'p' }, '', 'unknown_body_key'],
    [
      '__proto__',
      'oss.memories.add',
      JSON.parse('{"messages":[{"role":"user","content":"x"}],"user_id":"bob","__proto__":{}}'),
      '',
      'unknown_body_key',
    ],
    ['a prompt that is no text', 'oss.memories.add', { ...ADD, prompt: null }, '/prompt', 'wrong_type'],
    ['no messages', 'oss.memories.add', { user_id: 'bob' }, '/messages', 'missing'],
    ['a string of messages', 'oss.memories.add', { ...ADD, messages: 'x' }, '/messages', 'wrong_type'],
    ['empty messages', 'oss.memories.add', { ...ADD, messages: [] }, '/messages', 'empty'],
    [
      'too many',
      'oss.memories.add',
      { ...ADD, messages: Array(1001).fill(MESSAGES[0]) },
      '/messages',
      'too_many',
    ],
    [
      'no content',
      'oss.memories.add',
      { ...ADD, messages: [{ role: 'user' }] },
      '/messages/0/content',
      'missing',
    ],
    [
      'a picture',
      'oss.memories.add',
      { ...ADD, messages: [{ role: 'user', content: [{}] }] },
      '/messages/0/content',
      'wrong_type',
    ],
    [
      'a name',
      'oss.memories.add',
      { ...ADD, messages: [{ ...MESSAGES[0], name: 'x' }] },
      '/messages/0',
      'unknown_body_key',
    ],
    [
      'a role of words',
      'oss.memories.add',
      { ...ADD, messages: [{ role: 'a b', content: 'x' }] },
      '/messages/0/role',
      'not_a_role',
    ],
    [
      'an escape',
      'oss.memories.add',
      { ...ADD, messages: [{ role: 'user', content: 'a\u001b[2J' }] },
      '/messages/0/content',
      'control_character',
    ],
    ['a numeric id', 'oss.memories.add', { ...ADD, user_id: 42 }, '/user_id', 'wrong_type'],
    ['a null id', 'oss.memories.add', { ...ADD, user_id: null }, '/user_id', 'wrong_type'],
    ['a list of ids', 'oss.memories.add', { ...ADD, user_id: ['bob'] }, '/user_id', 'wrong_type'],
    ['a wildcard', 'oss.memories.add', { ...ADD, user_id: '*' }, '/user_id', 'id_wildcard'],
    ['an empty second id', 'oss.memories.add', { ...ADD, agent_id: ' ' }, '/agent_id', 'id_empty'],
    [
      'a date that is none',
      'oss.memories.add',
      { ...ADD, expiration_date: '2027-02-29' },
      '/expiration_date',
      'not_a_date',
    ],
    [
      'a time',
      'oss.memories.add',
      { ...ADD, expiration_date: '2027-02-28T00:00:00Z' },
      '/expiration_date',
      'not_a_date',
    ],
    ['infer as text', 'oss.memories.add', { ...ADD, infer: 'false' }, '/infer', 'wrong_type'],
    ['another type', 'oss.memories.add', { ...ADD, memory_type: 'x' }, '/memory_type', 'wrong_type'],
    ['metadata as text', 'oss.memories.add', { ...ADD, metadata: 'x' }, '/metadata', 'wrong_type'],
    ['no query', 'oss.memories.search', { user_id: 'bob' }, '/query', 'missing'],
    ['an empty query', 'oss.memories.search', { ...SEARCH, query: '' }, '/query', 'empty'],
    ['too many results', 'oss.memories.search', { ...SEARCH, top_k: 1001 }, '/top_k', 'out_of_range'],
    ['negative results', 'oss.memories.search', { ...SEARCH, top_k: -1 }, '/top_k', 'out_of_range'],
    ['half a result', 'oss.memories.search', { ...SEARCH, top_k: 1.5 }, '/top_k', 'wrong_type'],
    [
      'a threshold above 1',
      'oss.memories.search',
      { ...SEARCH, threshold: 1.1 },
      '/threshold',
      'out_of_range',
    ],
    [
      'ids that differ',
      'oss.memories.search',
      { ...SEARCH, filters: { user_id: 'eve' } },
      '/user_id',
      'ids_differ',
    ],
    ['a filter as text', 'oss.memories.search', { ...SEARCH, filters: 'x' }, '/filters', 'wrong_type'],
    ['nothing', 'oss.memories.update', {}, '', 'nothing_to_change'],
    ['an owner', 'oss.memories.update', { text: 'x', user_id: 'eve' }, '', 'unknown_body_key'],
    ['the old name', 'oss.memories.update', { data: 'x' }, '', 'unknown_body_key'],
    ['a body of a read', 'oss.memories.get', {}, '', 'body_refused'],
    ['a body of a delete', 'oss.memories.delete_all', { user_id: '*' }, '', 'body_refused'],
    [
      'an endless batch',
      'platform.batch.update',
      { memories: Array(1001).fill({}) },
      '/memories',
      'too_many',
    ],
  ];

  it.each(BAD)('%s is refused', (_, id, body, pointer, reason) => {
    const query: [string, string][] = id === 'oss.memories.delete_all' ? [['user_id', 'bob']] : [];
    expect(validate(id, query, body)).toMatchObject({ ok: false, in: 'body', pointer, reason });
  });

  it('says what is known, and nothing that was sent', () => {
    const refused = validate('oss.memories.search', [], { ...SEARCH, 'patient-4711': 'x' });
    expect(refused).toMatchObject({ detail: expect.stringContaining('threshold') });
    expect(JSON.stringify(refused)).not.toContain('4711');
  });

  it.each([5, '', 'a\u001b[2J'])('names no category of the caller’s: %j', (about) => {
    const body = { ...ADD, custom_categories: [{ hobbies: 'sport' }, { 'patient-4711': about }] };
    expect(validate('platform.memories.add', [], body)).toEqual({
      ...{ ok: false, in: 'body', pointer: '/custom_categories/1', reason: 'wrong_type' },
      detail: expect.not.stringContaining('4711'),
    });
  });

  it('keeps the categories of the caller’s as they are', () => {
    const body = { messages: MESSAGES, custom_categories: [{ hobbies: 'sport', family: 'kin' }] };
    const request = validate('platform.memories.add', [], { ...body, user_id: 'bob' });
    expect(request).toMatchObject({ ok: true, request: { body } });
  });
});
