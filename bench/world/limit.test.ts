import { expect, it } from 'vitest';
import type { Interval } from '../load/types.ts';
import { exceeds } from './limit.ts';

const at = (actor: number, ...times: number[]): Interval[] => times.map((time) => [actor, time, time + 5]);

it('finds who was admitted more often than the limit in any window', () => {
  expect(exceeds([...at(1, 0, 400, 900), ...at(2, 0, 400, 800, 900)], 3, 1000)).toBe(2);
});

it('lets a full limit in each of two windows be, however close their requests are', () => {
  expect(exceeds(at(1, 0, 1, 2, 1000, 1001, 1002), 3, 1000)).toBeUndefined();
  expect(exceeds(at(1, 0, 1, 2, 990, 1001, 1002), 3, 1000)).toBe(1);
});

it('holds nothing against the gateway that the time of its answer leaves open', () => {
  // Answered late: the fourth may have been admitted when the first had left the window.
  expect(exceeds([...at(1, 0, 10, 20), [1, 990, 1010]], 3, 1000)).toBeUndefined();
});
