import { describe, expect, it } from 'vitest';
import { assign, parseMapping } from './mapping.ts';

const parse = (value: object) => parseMapping(JSON.stringify(value));
const MAPPING = parse({ user_id: { alice: 'acme', bob: 'globex', '*': 'rest' }, agent_id: { bot: 'acme' } });

it.each([
  [{ user_id: 'alice' }, 'acme'],
  [{ user_id: 'alice', agent_id: 'bot' }, 'acme'],
  [{ user_id: 'carol' }, 'rest'],
  [{ user_id: 'constructor' }, 'rest'],
  // No escaped id has such a byte bare, so it is in nobody's namespace.
  [{ user_id: 'https://x' }, 'rest'],
  // Runs are not in the mapping: they follow.
  [{ user_id: 'bob', run_id: 'r1' }, 'globex'],
])('%j is of %s', (ids, tenant) => {
  expect(assign(MAPPING, ids)).toEqual({ state: 'moving', tenant });
});

it.each([
  [{}, 'no_ids'],
  [{ run_id: 'r1' }, 'unmapped'],
  [{ user_id: 'alice', agent_id: 'other' }, 'unmapped'],
  [{ user_id: 'bob', agent_id: 'bot' }, 'conflict'],
  [{ user_id: 'a b' }, 'unusable_id'],
  [{ user_id: '' }, 'unusable_id'],
  [{ user_id: '*' }, 'unusable_id'],
  [{ user_id: 'initech:dave' }, 'looks_namespaced'],
  [{ user_id: 'alice', run_id: 'acme:r1' }, 'looks_namespaced'],
  [{ user_id: 'acme:alice', agent_id: 'globex:bot' }, 'looks_namespaced'],
])('%j has no tenant: %s', (ids, why) => {
  expect(assign(MAPPING, ids)).toEqual({ state: 'stuck', why });
});

describe('an id with a colon', () => {
  const told = parse({ user_id: { '*': 'rest', 'acme:odd': 'globex' }, tenants: ['acme', 'initech'] });

  it.each([
    // Of a tenant that the gateway serves: it is that tenant's already.
    [{ user_id: 'acme:alice' }, { state: 'settled', tenant: 'acme' }],
    [{ user_id: 'initech:dave' }, { state: 'settled', tenant: 'initech' }],
    // Of nobody: a name like any other.
    [{ user_id: 'slack:U123' }, { state: 'moving', tenant: 'rest' }],
    [{ user_id: 'acme:a/b' }, { state: 'moving', tenant: 'rest' }],
    [{ user_id: 'acme:odd' }, { state: 'moving', tenant: 'globex' }],
    [
      { user_id: 'carol', run_id: 'acme:r1' },
      { state: 'stuck', why: 'looks_namespaced' },
    ],
  ])('%j, where the tenants are told, is %j', (ids, expected) => {
    expect(assign(told, ids)).toEqual(expected);
  });
});

describe('a mapping that is none', () => {
  it.each([
    ['{', 'not JSON'],
    ['[]', 'not good'],
    ['{}', 'maps nothing'],
    ['{"user_id":{}}', 'maps nothing'],
    ['{"tenants":["acme"]}', 'maps nothing'],
    ['{"users":{"a":"acme"}}', 'not good'],
    ['{"user_id":{"a":"b:c"}}', 'user_id.a is no tenant id'],
    ['{"user_id":{"a":7}}', 'not good'],
    ['{"user_id":{"a":"acme","\\u0061":"globex"}}', 'names an id twice'],
    ['{"user_id":{"a":"acme"},"user_id":{"b":"globex"}}', 'names an id twice'],
    ['{"user_id":{"__proto__":"acme","b":"acme"}}', 'names an id twice, or "__proto__"'],
  ])('%s', (text, message) => {
    expect(() => parseMapping(text)).toThrow(message);
  });

  it('is not one whose names hold colons and quotes', () => {
    const ids = { 'a":"b': 'acme', 'c\\': 'acme', 'd":': 'acme' };
    expect(parse({ user_id: ids, tenants: ['globex'] }).user_id).toEqual(ids);
  });
});
