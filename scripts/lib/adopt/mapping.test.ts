import { describe, expect, it } from 'vitest';
import { assign, parseMapping } from './mapping.ts';

const MAPPING = parseMapping(
  JSON.stringify({ user_id: { alice: 'acme', bob: 'globex', '*': 'rest' }, agent_id: { bot: 'acme' } }),
);

it.each([
  [{ user_id: 'alice' }, 'acme'],
  [{ user_id: 'alice', agent_id: 'bot' }, 'acme'],
  [{ user_id: 'carol' }, 'rest'],
  [{ user_id: 'constructor' }, 'rest'],
  // Runs are not in the mapping: they follow.
  [{ user_id: 'bob', run_id: 'r1' }, 'globex'],
])('%j is of %s', (ids, tenant) => {
  expect(assign(MAPPING, ids)).toEqual({ ok: true, tenant });
});

it.each([
  [{}, 'no_ids'],
  [{ run_id: 'r1' }, 'unmapped'],
  [{ user_id: 'alice', agent_id: 'other' }, 'unmapped'],
  [{ user_id: 'bob', agent_id: 'bot' }, 'conflict'],
  [{ user_id: 'a b' }, 'unusable_id'],
  [{ user_id: '*' }, 'unusable_id'],
])('%j has no tenant: %s', (ids, why) => {
  expect(assign(MAPPING, ids)).toEqual({ ok: false, why });
});

describe('a mapping that is none', () => {
  it.each([
    ['{', 'not JSON'],
    ['[]', 'not good'],
    ['{}', 'maps nothing'],
    ['{"user_id":{}}', 'maps nothing'],
    ['{"users":{"a":"acme"}}', 'not good'],
    ['{"user_id":{"a":"b:c"}}', 'user_id.a is no tenant id'],
    ['{"user_id":{"a":7}}', 'not good'],
  ])('%s', (text, message) => {
    expect(() => parseMapping(text)).toThrow(message);
  });
});
