import { expect, it } from 'vitest';
import { operationById } from '../catalogue/index.ts';
import { understand } from '../understand.ts';

const ask = (id: string, body: unknown, kind: 'oss' | 'platform' = 'oss') =>
  understand({ kind: 'row', operation: operationById(id), params: {} }, '', body, kind);

it.each([
  ['platform.memories.add', { messages: 'x', user_id: 'a', app_id: 'b' }, 'option_unserved', '/app_id'],
  [
    'platform.memories.add',
    { messages: 'x', user_id: 'a', immutable: true },
    'option_unserved',
    '/immutable',
  ],
  ['platform.memories.add', { messages: 'x', user_id: 'a', timestamp: 1 }, 'option_unserved', '/timestamp'],
  [
    'platform.memories.search',
    { query: 'x', filters: { user_id: 'a' }, rerank: true },
    'option_unserved',
    '/rerank',
  ],
  [
    'platform.memories.list',
    { filters: { AND: [{ user_id: 'a' }, { app_id: 'b' }] } },
    'filter_unserved',
    '/filters/AND/1/app_id',
  ],
  [
    'platform.memories.list',
    { filters: { user_id: 'a', categories: { in: ['x'] } } },
    'filter_unserved',
    '/filters/categories',
  ],
  [
    'platform.memories.list',
    { filters: { user_id: 'a', NOT: [{ keywords: 'x' }] } },
    'filter_unserved',
    '/filters/NOT/0/keywords',
  ],
])('%s %j is not served on a self-hosted origin', (id, body, reason, pointer) => {
  expect(() => ask(id, body)).toThrow(expect.objectContaining({ code: 'not_served', reason, pointer }));
});

it('what changes nothing is served, and no option reaches the self-hosted server', () => {
  const body = { messages: 'x', user_id: 'a', immutable: false, enable_graph: false };
  expect(ask('platform.memories.add', body).body).toMatchObject({ immutable: false });
});
