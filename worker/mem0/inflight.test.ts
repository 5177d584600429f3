import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hold, InflightBytes } from './inflight.ts';

const hold = (inflight: InflightBytes, tenant: string) => {
  const held = new Hold(inflight);
  held.for(tenant);
  return held;
};

describe('what one isolate holds', () => {
  it('is a tenant’s to three quarters, and the others have the rest', () => {
    const inflight = new InflightBytes(1000);
    const stalled = Array.from({ length: 12 }, () => hold(inflight, 'acme'));
    expect(stalled.map((each) => each.take(100)).filter(Boolean)).toHaveLength(7);
    expect(hold(inflight, 'globex').take(250)).toBe(true);
    for (const each of stalled) each.release();
    expect(hold(inflight, 'acme').take(750)).toBe(true);
  });

  it('may be the largest body or answer of one tenant, whatever its share', () => {
    const inflight = new InflightBytes(1000, 900);
    expect(hold(inflight, 'acme').take(901)).toBe(false);
    expect(hold(inflight, 'acme').take(900)).toBe(true);
  });

  it('is given back whole', () => {
    const taking = fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), bytes: fc.array(fc.nat(400)) });
    fc.assert(
      fc.property(fc.array(taking), (requests) => {
        const inflight = new InflightBytes(1000);
        const holds = requests.map(({ tenant, bytes }) => {
          const held = hold(inflight, tenant);
          for (const some of bytes) held.take(some);
          return held;
        });
        for (const each of [...holds, ...holds]) each.release();
        for (const tenant of ['a', 'b', 'c']) {
          const own = hold(inflight, tenant);
          expect([own.take(750), own.take(1)]).toEqual([true, false]);
          own.release();
        }
        expect(inflight.take(1000)).toBe(true);
      }),
    );
  });
});
