import { parseList } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import { rateHeaders } from './ratelimit.ts';

describe('rate limit headers', () => {
  it('of an admitted request', () => {
    const answer = { admitted: true, limit: 100, remaining: 42, resetMs: 16_001, retryAfterMs: 0 };
    expect(rateHeaders(answer, 60_000)).toEqual({
      'ratelimit-policy': '"actor";q=100;w=60',
      ratelimit: '"actor";r=42;t=17',
      'x-ratelimit-limit': '100',
      'x-ratelimit-remaining': '42',
      'x-ratelimit-reset': '17',
    });
  });

  it.each([
    [1, '1'],
    [999, '1'],
    [1000, '1'],
    [1001, '2'],
    [59_999, '60'],
    [60_000, '60'],
    // A refusal never says "now".
    [0, '1'],
  ])('of a refusal: room in %i ms is Retry-After %s', (retryAfterMs, expected) => {
    const answer = { admitted: false, limit: 100, remaining: 0, resetMs: retryAfterMs, retryAfterMs };
    expect(rateHeaders(answer, 60_000)['retry-after']).toBe(expected);
  });

  it('are structured fields that read back', () => {
    const answer = { admitted: true, limit: 500, remaining: 0, resetMs: 0, retryAfterMs: 0 };
    const headers = rateHeaders(answer, 3_600_000);
    const [policy] = parseList(headers['ratelimit-policy']!);
    expect(policy).toEqual([
      'actor',
      new Map([
        ['q', 500],
        ['w', 3600],
      ]),
    ]);
    const [state] = parseList(headers.ratelimit!);
    expect(state).toEqual([
      'actor',
      new Map([
        ['r', 0],
        ['t', 0],
      ]),
    ]);
    for (const name of ['limit', 'remaining', 'reset'])
      expect(headers[`x-ratelimit-${name}`]).toMatch(/^\d+$/);
  });
});
