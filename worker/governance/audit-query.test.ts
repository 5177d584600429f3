import { describe, expect, it } from 'vitest';
import { type AuditQuery, pageStatement, readAuditQuery } from './audit-query.ts';

type Given = { readonly [name: string]: string };

function read(given: Given) {
  const answer = readAuditQuery(given);
  if (!answer.ok) throw new Error(answer.reason);
  return answer;
}

describe('the query', () => {
  it('restricts by nothing that was not given', () => {
    expect(read({}).query).toEqual({ limit: 50 });
  });

  it('takes times with any offset for the moments that they are', () => {
    const { query } = read({ from: '2026-01-01T01:00:00+01:00', to: '2026-01-01T00:00:00.5Z' });
    expect(query).toEqual({ from: Date.UTC(2026, 0, 1), to: Date.UTC(2026, 0, 1) + 500, limit: 50 });
  });

  it('is refused when the period ends before it begins, and not when it is empty', () => {
    const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
    expect(readAuditQuery({ from: late, to: early })).toMatchObject({ ok: false, reason: 'period_empty' });
    expect(readAuditQuery({ from: early, to: early })).toMatchObject({ ok: true });
  });
});

describe('a cursor', () => {
  const position = { time: 1_700_000_000_000, log: 'acme~0~1', index: 7 };

  it('reads back as the place that it was made of, with another limit too', () => {
    const cursor = read({ actor: 'ann' }).cursorOf(position);
    expect(read({ actor: 'ann', limit: '9', cursor }).query.after).toEqual(position);
  });

  it.each<Given>([{}, { actor: 'bob' }, { actor: 'ann', action: 'read' }])(
    'is of one question only: %j',
    (given) => {
      const cursor = read({ actor: 'ann' }).cursorOf(position);
      expect(readAuditQuery({ ...given, cursor })).toMatchObject({ ok: false, reason: 'not_a_cursor' });
    },
  );

  it.each([
    ['time', -1],
    ['time', 1e20],
    ['time', '1'],
    ['log', 'acme'],
    ['log', 5],
    ['index', 1.5],
    ['index', null],
  ])('with a bad %s is none: %j', (member, value) => {
    const cursor = read({}).cursorOf({ ...position, [member]: value });
    expect(readAuditQuery({ cursor })).toMatchObject({ ok: false, reason: 'not_a_cursor' });
  });

  it.each(['', '%', 'bnVsbA', 'W10', 'eyJhIjoxfQ'])('that is anything else is none: %j', (cursor) => {
    expect(readAuditQuery({ cursor })).toMatchObject({ ok: false, reason: 'not_a_cursor' });
  });
});

describe('the statement', () => {
  const FULL: AuditQuery = {
    ...{
      from: 1,
      to: 2,
      actor: "o'brien",
      action: 'read',
      decision: 'deny',
      requestId: 'r',
      resourceId: 'x',
    },
    limit: 10,
    after: { time: 3, log: 'acme~0~1', index: 4 },
  };

  it('holds no value, and a parameter for each', () => {
    const { text, values } = pageStatement(FULL, ['t1', 't2']);
    expect(values).toEqual([
      1,
      2,
      "o'brien",
      'read',
      'deny',
      'r',
      '["x","t1","t2"]',
      '["t1","t2"]',
      3,
      'acme~0~1',
      4,
      11,
    ]);
    expect(text).not.toContain("o'brien");
    const named = [...text.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n));
    expect(named).toEqual(values.map((_, at) => at + 1));
    expect(text).toContain('?| array');
  });

  it('without restrictions asks for the newest', () => {
    const { text, values } = pageStatement({ limit: 50 }, []);
    expect(text).not.toContain('where');
    expect(values).toEqual([51]);
  });
});
