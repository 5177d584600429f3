import { describe, expect, it } from 'vitest';
import { readHeaders } from './context.ts';

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('request headers', () => {
  it('are read once', () => {
    const headers = new Headers({
      'x-request-id': 'Job-7_a.b',
      traceparent: TRACE,
      accept: 'application/problem+json',
    });
    expect(readHeaders(headers)).toEqual({
      correlation: 'Job-7_a.b',
      traceparent: TRACE,
      acceptsProblem: true,
    });
    expect(readHeaders(new Headers())).toEqual({ acceptsProblem: false });
  });

  it.each(['', 'a b', 'a/b', 'é', 'a'.repeat(65), 'a,b', '{}', 'a:b'])(
    'correlation %j is dropped',
    (value) => {
      expect(readHeaders(new Headers({ 'x-request-id': value })).correlation).toBeUndefined();
    },
  );

  it('keeps a correlation of 64 characters, and none of two', () => {
    const id = 'a'.repeat(64);
    const headers = new Headers({ 'x-request-id': id });
    expect(readHeaders(headers).correlation).toBe(id);
    headers.append('x-request-id', 'b');
    expect(readHeaders(headers).correlation).toBeUndefined();
  });

  it.each([
    TRACE.toUpperCase(),
    TRACE.replace('00-', '01-'),
    TRACE.replace('00-', 'ff-'),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
    `${TRACE}-extra`,
    TRACE.slice(0, -1),
    `${TRACE}, ${TRACE}`,
    `${TRACE}\tx`,
  ])('traceparent %j is dropped', (value) => {
    expect(readHeaders(new Headers({ traceparent: value })).traceparent).toBeUndefined();
  });

  it('keeps ids with leading zeros', () => {
    const value = '00-00000000000000000000000000000001-0000000000000001-00';
    expect(readHeaders(new Headers({ traceparent: value })).traceparent).toBe(value);
  });

  it.each([
    ['application/problem+json', true],
    ['text/html, Application/Problem+JSON;q=0.5', true],
    ['application/problem+json ; charset=utf-8', true],
    ['application/json', false],
    ['*/*', false],
    ['application/*', false],
    ['application/problem+json;q=0', false],
    ['application/problem+json; q=0.000', false],
    ['application/problem+jsonx', false],
    ['x/application/problem+json', false],
    ['', false],
    [`${'a/b,'.repeat(400)}application/problem+json`, false],
  ])('Accept %j: %s', (accept, expected) => {
    expect(readHeaders(new Headers({ accept })).acceptsProblem).toBe(expected);
  });
});
