import type { Interval } from '../load/types.ts';

/**
 * The first actor of whom more than `limit` requests were certainly admitted within one window: sent at its beginning or
 * later, and answered before its end. `undefined`: nobody.
 */
export function exceeds(admitted: readonly Interval[], limit: number, windowMs: number): number | undefined {
  for (const [actor, own] of Map.groupBy(admitted, ([who]) => who)) {
    const answered = own.toSorted((a, b) => a[2] - b[2]);
    const sent = own.toSorted((a, b) => a[1] - b[1]);
    // Of the windows that begin with a request, those that hold the most.
    for (const [, begin] of sent) {
      const inside = answered.filter(([, from, to]) => from >= begin && to < begin + windowMs);
      if (inside.length > limit) return actor;
    }
  }
  return undefined;
}
