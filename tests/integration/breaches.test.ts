import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench } from './in-process.ts';

// Rows of another tenant's in what Mem0 says: none goes out, each is noted, and nothing is deleted on their strength.

const OWN = { id: '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21', memory: 'tea', user_id: 'acme:bob' };
const FOREIGN = { id: '22222222-2222-4222-8222-222222222222', memory: 'coffee', user_id: 'globex:bob' };
const MIXED = { ...OWN, agent_id: 'globex:bot' };
const LIST = '/memories?user_id=bob';
const SEARCH = {
  method: 'POST',
  body: { query: 'drinks', filters: { OR: [{ user_id: 'bob' }, { user_id: 'ann' }] } },
};

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

/** Mem0 gives these answers, one after the other. */
function says(...answers: readonly object[]): void {
  let next = 0;
  bench.mem0 = async () => Response.json(answers[next++] ?? { message: 'done' });
}
const breach = () => bench.records().find(({ reasons }) => reasons.includes('isolation_breach'));

describe('a row of another tenant’s is noted', () => {
  it.each([
    ['beside one that cannot be read', LIST, {}, [{ results: [OWN, FOREIGN, { id: '7' }] }]],
    [
      'when the second of two calls cannot be read',
      '/v3/memories/search/',
      SEARCH,
      [{ results: [FOREIGN] }, { wrong: 1 }],
    ],
    [
      'when the listing before a delete cannot be read',
      LIST,
      { method: 'DELETE' },
      [{ results: [FOREIGN, { id: '7' }] }],
    ],
  ])('%s', async (_when, path, options, answers) => {
    says(...answers);
    const answer = await bench.send(path, options);
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain('coffee');
    expect(breach()).toMatchObject({ phase: 'event', detail: { rows: 1 } });
  });
});

describe('a delete by filter', () => {
  it.each([
    ['a row of two tenants', MIXED],
    ['a row of another tenant', FOREIGN],
  ])('whose listing holds %s deletes nothing, and is noted', async (_what, row) => {
    says({ results: [OWN, row] });
    const answer = await bench.send(LIST, { method: 'DELETE' });
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('Nothing was deleted') });
    expect(bench.asked.map(({ method }) => method)).toEqual(['GET']);
    expect(
      bench
        .records()
        .map(({ phase }) => phase)
        .sort(),
    ).toEqual(['event', 'outcome']);
    expect(bench.records().find(({ phase }) => phase === 'outcome')).toMatchObject({
      ...{ decision: 'deny', outcome: { result: 'failure' } },
      reasons: expect.arrayContaining(['owner_unproven']),
    });
    expect(breach()).toMatchObject({ detail: { rows: 1 } });
  });

  it('of nothing but the tenant’s goes on', async () => {
    says({ results: [OWN] });
    expect((await bench.send(LIST, { method: 'DELETE' })).status).toBe(200);
    expect(bench.asked.map(({ method }) => method)).toEqual(['GET', 'DELETE']);
  });
});
