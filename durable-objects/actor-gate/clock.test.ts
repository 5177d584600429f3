import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Clock, clockAt } from './clock.ts';

describe('the clock', () => {
  it('begins with the wall clock and follows it, ahead too', () => {
    const start = clockAt(undefined, 1000);
    expect(start).toEqual({ mark: 1000, offset: 0 });
    expect(clockAt(start, 9_000_000)).toEqual({ mark: 9_000_000, offset: 0 });
  });

  it('runs on after the wall clock has gone back, and does not wait for it to catch up', () => {
    const back = clockAt({ mark: 5000, offset: 0 }, 2000);
    expect(back).toEqual({ mark: 5000, offset: 3000 });
    expect(clockAt(back, 2001).mark).toBe(5001);
  });

  it('never goes back, and never runs faster than the wall clock', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1 }), (steps) => {
        let wall = 10_000;
        let clock = clockAt(undefined, wall);
        for (const step of steps) {
          wall += step;
          const next: Clock = clockAt(clock, wall);
          expect(next.mark - clock.mark).toBe(Math.max(0, step));
          clock = next;
        }
      }),
    );
  });

  it('after a restart from an older mark is never ahead of the clock that ran', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1 }),
        fc.nat(20),
        fc.integer({ min: -3000, max: 0 }),
        (steps, storedAt, jump) => {
          let wall = 100_000;
          let clock = clockAt(undefined, wall);
          let stored = clock;
          steps.forEach((step, i) => {
            wall += step;
            clock = clockAt(clock, wall);
            if (i === storedAt) stored = clock;
          });
          const restarted = clockAt(stored, wall + jump);
          expect(restarted.mark).toBeLessThanOrEqual(clock.mark);
          expect(restarted.mark).toBeGreaterThanOrEqual(stored.mark);
        },
      ),
    );
  });
});
