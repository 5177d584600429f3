import { describe, expect, it } from 'vitest';
import { homeOf, mem0Asker } from './mem0.ts';

const POOL = { MEM0_ORIGIN: 'https://mem0.example.com', MEM0_API_KEY: 'pool-key' };
const document = {
  environment: 'production',
  tenants: {
    own: { mem0: { secret: 'OWN_MEM0', kind: 'platform' } },
    other: { mem0: { secret: 'OTHER_MEM0' } },
  },
};
const own = JSON.stringify({ origin: 'https://own.example.com', key: 'own-key' });

describe('the Mem0 of a tenant', () => {
  it('is the pool’s, or its own, and needs no other tenant’s secret', () => {
    expect(homeOf('acme', document, POOL)).toEqual({
      ok: true,
      mem0: { kind: 'oss', origin: 'https://mem0.example.com', apiKey: 'pool-key' },
    });
    expect(homeOf('own', document, { OWN_MEM0: own })).toMatchObject({
      ok: true,
      mem0: { kind: 'platform', origin: 'https://own.example.com', apiKey: 'own-key' },
    });
  });

  it.each([
    ['acme', {}, 'MEM0_ORIGIN is not set'],
    ['acme', { ...POOL, MEM0_ORIGIN: 'not an address' }, 'MEM0_ORIGIN is not good'],
    ['acme', { ...POOL, MEM0_ORIGIN: 'http://mem0.example.com' }, 'its address is not https'],
    // Never the pool in place of a silo: its answers would be about other memories.
    ['own', POOL, 'OWN_MEM0 is missing'],
    ['own', { OWN_MEM0: '{"origin":"https://own.example.com"}' }, 'OWN_MEM0'],
  ])('of %s is not asked with %j', (tenant, values, why) => {
    const home = homeOf(tenant, document, values);
    expect(home).toMatchObject({ ok: false, why: expect.stringContaining(why) });
    expect(JSON.stringify(home)).not.toContain('pool-key');
  });
});

describe('Mem0, asked', () => {
  const ID = '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21';
  const asked: [string, Headers][] = [];

  function asker(answers: { [path: string]: Response | Error }, kind: 'oss' | 'platform' = 'oss') {
    asked.length = 0;
    const send = (async (url: string, init: RequestInit) => {
      asked.push([url, new Headers(init.headers)]);
      const answer = answers[new URL(url).pathname] ?? new Error('refused');
      if (answer instanceof Error) throw answer;
      return answer.clone();
    }) as typeof fetch;
    return mem0Asker({ ok: true, mem0: { kind, origin: 'https://mem0.example.com', apiKey: 'key' } }, send);
  }
  const row = { id: ID, memory: 'likes tea', updated_at: '2026-11-01T00:00:00.5Z' };
  const history = [
    { event: 'ADD', created_at: '2026-10-01T00:00:00Z', updated_at: null },
    { event: 'UPDATE', created_at: '2026-10-01T00:00:00Z', updated_at: '2026-11-02T00:00:00Z' },
  ];

  it('says that a memory is there, and when it was changed', async () => {
    const ask = asker({
      [`/memories/${ID}`]: Response.json(row),
      [`/memories/${ID}/history`]: Response.json(history),
    });
    expect(await ask(ID)).toEqual({
      kind: 'there',
      changed: ['2026-11-01T00:00:00.5Z', '2026-10-01T00:00:00Z', '2026-11-02T00:00:00Z'].map(Date.parse),
    });
    expect(asked.map(([, headers]) => headers.get('x-api-key'))).toEqual(['key', 'key']);
  });

  it('takes no time without an offset for a moment', async () => {
    const ask = asker({
      [`/memories/${ID}`]: Response.json({ ...row, updated_at: '2026-11-01T00:00:00' }),
      [`/memories/${ID}/history`]: Response.json([]),
    });
    expect(await ask(ID)).toEqual({ kind: 'there', changed: [Number.NaN] });
  });

  it.each([
    ['null', 'oss', `/memories/${ID}`, Response.json(null)],
    [
      '404',
      'platform',
      `/v1/memories/${ID}/`,
      Response.json({ detail: 'Memory not found' }, { status: 404 }),
    ],
  ] as const)('says that it is gone: %s', async (_what, kind, path, answer) => {
    const later = kind === 'oss' ? `${path}/history` : `${path}history/`;
    const ask = asker({ [path]: answer, [later]: Response.json([]) }, kind);
    expect(await ask(ID)).toEqual({ kind: 'gone', changed: [] });
    const [, headers] = asked[0]!;
    expect(headers.get('authorization')).toBe(kind === 'platform' ? 'Token key' : null);
  });

  it.each([
    ['500', Response.json({}, { status: 500 })],
    ['401', Response.json({ detail: 'no' }, { status: 401 })],
    ['HTML', new Response('<html>')],
    ['a list', Response.json([])],
  ])('is not believed when it answers %s', async (_what, answer) => {
    const ask = asker({ [`/memories/${ID}`]: answer, [`/memories/${ID}/history`]: Response.json([]) });
    expect(await ask(ID)).toEqual({ kind: 'unasked', why: 'Mem0 gave no answer that can be read' });
  });

  it('is not asked again once it cannot be reached', async () => {
    const ask = asker({});
    expect(await ask(ID)).toMatchObject({ kind: 'unasked', why: 'Mem0 cannot be reached from here' });
    expect(await ask(ID)).toMatchObject({ kind: 'unasked' });
    expect(asked).toHaveLength(2);
  });
});
