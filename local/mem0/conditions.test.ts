import { expect, test } from 'vitest';
import { fulfils } from './conditions.ts';

// What the real server found of a row with this payload, over Postgres, search by search.

const ROW = { user_id: 'u', colour: 'red', n: 5, f: 1.5, t: true, nul: null, list: [1, 'a'], o: { k: 'v' } };

test.each<[object, boolean]>([
  [{}, true],
  [{ colour: 'red' }, true],
  [{ n: 5 }, true],
  [{ n: '5' }, true],
  [{ f: { eq: 1.5 } }, true],
  [{ n: { gt: 4 } }, true],
  [{ n: { gt: '4' } }, true],
  [{ n: { gte: 5, lt: 6 } }, true],
  [{ n: [5, 6] }, true],
  [{ n: { in: ['5'] } }, true],
  [{ n: { contains: '5' } }, true],
  [{ colour: { icontains: 'RE' } }, true],
  [{ colour: { contains: '%' } }, false],
  [{ colour: '*' }, true],
  [{ nul: '*' }, true],
  [{ t: true }, true],
  // Python's True is not JSON's true.
  [{ t: { eq: true } }, false],
  [{ t: { ne: true } }, true],
  [{ colour: { ne: 'blue' } }, true],
  [{ $not: [{ colour: 'blue' }] }, true],
  [{ $or: [{ colour: 'blue' }, { n: 5 }] }, true],
  [{ $or: [{ missing: 1 }, { n: 5 }] }, true],
  [{ $and: [{ colour: 'red' }, { n: 7 }] }, false],
  // Of a key that is not there nothing holds, and neither does its negation.
  [{ missing: '*' }, false],
  [{ missing: { gt: 1 } }, false],
  [{ missing: { ne: 1 } }, false],
  [{ missing: { nin: [1] } }, false],
  [{ $not: [{ missing: 1 }] }, false],
  [{ $not: [{ missing: 1, colour: 'blue' }] }, false],
  [{ $or: [{ missing: { ne: 1 } }] }, false],
  [{ nul: null }, false],
])('%j: %s', (filters, expected) => {
  expect(fulfils(ROW, { user_id: 'u', ...filters })).toBe(expected);
});

test('an order asked of a text fails, but not over a row that another condition leaves out', () => {
  expect(() => fulfils(ROW, { user_id: 'u', colour: { gt: 1 } })).toThrow('numeric');
  expect(() => fulfils(ROW, { user_id: 'u', n: { gt: 'a' } })).toThrow('could not convert');
  expect(fulfils(ROW, { user_id: 'other', colour: { gt: 1 } })).toBe(false);
});
