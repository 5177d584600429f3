import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench, granted } from './in-process.ts';

// What cannot be provoked from outside: each part failing at the worst moment, and the transport of the edge.

const MEMORY = '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21';
const LIST = '/memories?user_id=bob';
const ADD = { method: 'POST', body: { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob' } };
const ADDED = async () => Response.json({ results: [{ id: MEMORY, memory: 'tea', event: 'ADD' }] });
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code;

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

describe('the edge transport', () => {
  it('serves https with HSTS, and no cache keeps it', async () => {
    const answer = await bench.send(LIST);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('strict-transport-security')).toMatch(/^max-age=\d+/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['plain http', { scheme: 'http' as const }, 'plain_http'],
    ['TLS 1.1', { tls: 'TLSv1.1' }, 'old_tls'],
    ['an unknown TLS version', { tls: '' }, 'old_tls'],
  ])('refuses %s with a record and without a redirect', async (_what, options, reason) => {
    const answer = await bench.send(LIST, options);
    expect(answer.status).toBe(403);
    expect(answer.headers.get('location')).toBeNull();
    expect(bench.records()).toMatchObject([
      { tenant: '~strangers', reasons: [reason], client: '203.0.113.0/24' },
    ]);
    expect(bench.asked).toEqual([]);
  });

  it('never reads X-Forwarded headers', async () => {
    await bench.send(LIST, {
      scheme: 'http',
      headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '1.2.3.4' },
    });
    expect(bench.records()[0]).toMatchObject({ reasons: ['plain_http'], client: '203.0.113.0/24' });
  });

  it('serves public rows without a record, and not over plain http', async () => {
    expect((await bench.send('/health', { token: '' })).status).toBe(200);
    expect(bench.records()).toEqual([]);
    expect((await bench.send('/health', { token: '', scheme: 'http' })).status).toBe(403);
  });
});

describe('the audit log failing', () => {
  const down = () => {
    throw new Error('object reset');
  };

  it('ends no request while another record of it is on its way', async () => {
    bench.mem0 = async () =>
      Response.json({ results: [{ id: MEMORY, memory: 'tea', user_id: 'globex:bob' }] });
    const append = bench.append.bind(bench);
    let calls = 0;
    // The outcome is refused, and what was to become of the breach is not said: it is sent again.
    bench.append = (name, entries) => {
      if (++calls > 1) return append(name, entries);
      expect(entries.map(({ members }) => members.phase)).toEqual(['outcome', 'event']);
      return [{ ok: false, code: 'full' }];
    };
    const answer = await bench.send(LIST);
    expect([answer.status, await codeOf(answer)]).toEqual([503, 'audit_unavailable']);
    expect(bench.records()).toMatchObject([{ phase: 'event', reasons: ['isolation_breach'] }]);
  });

  it.each([
    ['a read', LIST, {}],
    ['a write', '/memories', ADD],
  ])('before %s: 503, and nothing is released or changed', async (_what, path, options) => {
    bench.mem0 = async () => Response.json({ results: [] });
    bench.beforeAppend = down;
    const token = await granted();
    const answer = await bench.send(path, { ...options, token });
    expect(answer.status).toBe(503);
    const text = await answer.text();
    expect(JSON.parse(text).code).toBe('audit_unavailable');
    expect(text).not.toContain('results');
    expect(bench.asked.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it('after a change was forwarded: 503 that says so, and names the intent', async () => {
    bench.mem0 = ADDED;
    bench.beforeAppend = (entries) => {
      if (entries.some(({ members }) => members.phase === 'outcome')) down();
    };
    const token = await granted();
    const answer = await bench.send('/memories', { ...ADD, token });
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('audit_outcome_unrecorded');
    const [intent] = bench.records();
    expect(intent).toMatchObject({ phase: 'intent', decision: 'allow' });
    expect(answer.headers.get('audit-record')).toContain(`${intent!.log}/${intent!.index};`);
  });

  it('a lost answer is asked for again under the same key, and nothing is doubled', async () => {
    let lost = 0;
    const append = bench.append.bind(bench);
    bench.append = (name, entries) => {
      const answers = append(name, entries);
      if (lost++ === 0) throw new Error('answer lost');
      return answers;
    };
    expect((await bench.send(LIST)).status).toBe(200);
    expect(bench.records()).toHaveLength(1);
  });
});

describe('other parts failing', () => {
  it('the gate: 503, nothing forwarded, recorded as denied', async () => {
    bench.gate = async () => undefined;
    const answer = await bench.send('/memories', ADD);
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('gate_unavailable');
    expect(bench.asked).toEqual([]);
    expect(bench.records()).toMatchObject([{ decision: 'deny', reasons: ['gate_unavailable'] }]);
  });

  it('the gate, while a refusal is metered: the refusal stands', async () => {
    bench.gate = async () => undefined;
    expect((await bench.send('/memories?bogus=1')).status).toBe(400);
  });

  it.each([
    ['a read', LIST, {}],
    ['a change', '/memories', ADD],
  ])(
    'the vault, under %s: 503, nothing forwarded, recorded without the client',
    async (_what, path, options) => {
      bench.vaults.down = true;
      const answer = await bench.send(path, { ...options, headers: { 'user-agent': 'tests/1.0' } });
      expect(answer.status).toBe(503);
      expect(await codeOf(answer)).toBe('vault_unavailable');
      expect(bench.asked).toEqual([]);
      const [record, ...others] = bench.records();
      expect(others).toEqual([]);
      expect(record).toMatchObject({ phase: 'outcome', reasons: ['role_admin', 'vault_unavailable'] });
      expect(record).not.toHaveProperty('client');
      expect(JSON.stringify(record)).not.toContain('203.0.113');
    },
  );

  it('the vault, that goes away behind Mem0’s answer to a read: the answer is not released', async () => {
    bench.mem0 = async () => {
      bench.vaults.down = true;
      return Response.json({ results: [] });
    };
    const answer = await bench.send(LIST);
    expect(answer.status).toBe(503);
    expect(bench.records()).toMatchObject([
      { outcome: { result: 'failure' }, reasons: ['role_admin', 'vault_unavailable'] },
    ]);
  });

  it('the key set: 503 and never 401, because the token may be good', async () => {
    bench.keys = () => new Response('down', { status: 500 });
    const answer = await bench.send(LIST);
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('keys_unavailable');
    expect(answer.headers.get('www-authenticate')).toBeNull();
  });

  it.each([
    ['unreadable', { allow: false, reasons: ['policy_unreadable'], obligations: {}, digest: 'd' }],
    ['a denial without a known reason', { allow: false, reasons: ['x'], obligations: {}, digest: 'd' }],
  ])('a policy result that is %s: denied', async (_what, decision) => {
    bench.policy = { decide: () => decision };
    expect((await bench.send(LIST)).status).toBe(403);
    expect(bench.records()).toMatchObject([{ decision: 'deny', reasons: decision.reasons }]);
    expect(bench.asked).toEqual([]);
  });

  it.each([
    ['an Error', new Error('secret detail')],
    ['a string', 'secret detail'],
    ['nothing', undefined],
  ])('a stage that throws %s: 500 without its words, and a record', async (_what, thrown) => {
    bench.policy = {
      decide: () => {
        throw thrown;
      },
    };
    const answer = await bench.send(LIST);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(bench.records()).toMatchObject([{ decision: 'deny', reasons: ['internal_error'] }]);
  });
});

describe('answers that are too much to hold', () => {
  const big = (bytes: number) => async () => Response.json({ results: [], pad: 'x'.repeat(bytes) });
  const env = { MAX_ANSWER_BYTES: '50000', MAX_INFLIGHT_ANSWER_BYTES: '60000' };

  it('a full isolate forwards nothing more', async () => {
    const { app, inflight } = bench.app(env);
    inflight.take(60_000);
    const answer = await bench.send(LIST, { app });
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('busy');
    expect(bench.asked).toEqual([]);
  });

  it('nor does it take in more bodies than it can hold', async () => {
    const { app, bodies } = bench.app();
    expect(bodies.take(33_554_000)).toBe(true);
    const answer = await bench.send('/memories', { ...ADD, app });
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('busy');
    bodies.giveBack(33_554_000);
    bench.mem0 = ADDED;
    expect((await bench.send('/memories', { ...ADD, app })).status).toBe(200);
    expect(bodies.take(33_554_432)).toBe(true);
  });

  it('reading stops at the bound; of a write that was forwarded the record says what is known', async () => {
    const { app, inflight } = bench.app(env);
    inflight.take(30_000);
    bench.mem0 = big(40_000);
    expect(await codeOf(await bench.send(LIST, { app }))).toBe('busy');
    const answer = await bench.send('/memories', { ...ADD, app });
    expect(answer.status).toBe(503);
    expect(await codeOf(answer)).toBe('answer_not_read');
    expect(bench.records().at(-1)).toMatchObject({
      phase: 'outcome',
      outcome: { result: 'success', upstream_status: 200 },
    });
  });

  it('gives back what it held, however a request ends', async () => {
    const { app, inflight } = bench.app(env);
    for (const mem0 of [ADDED, big(55_000), big(40_000), async () => new Response('<html>')]) {
      bench.mem0 = mem0;
      await bench.send('/memories', { ...ADD, app });
      await bench.send(LIST, { app });
    }
    expect(inflight.take(60_000)).toBe(true);
  });
});

describe('the original contract', () => {
  it('REQUIRE_CONTEXT_HEADERS wants both headers', async () => {
    const env = { REQUIRE_CONTEXT_HEADERS: 'true' };
    const bare = await bench.send(LIST, { env });
    expect(bare.status).toBe(400);
    expect(await codeOf(bare)).toBe('context_required');
    const headers = { 'x-tenant-id': 'acme', 'x-user-role': 'admin' };
    expect((await bench.send(LIST, { env, headers })).status).toBe(200);
  });
});
