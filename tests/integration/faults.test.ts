import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../core/record.ts';
import { type FakeMem0, MEMORY_ID, memoryRow, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { rawRequest, rawText } from '../fakes/raw.ts';
import { type Rig, startRig } from './rig.ts';

// Each part failing, killed and coming back, while callers keep what they were told.

let mem0: FakeMem0;
let rig: Rig;
let admin: string;
let reader: string;

beforeAll(async () => {
  mem0 = await startFakeMem0();
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: {
      UPSTREAM_TIMEOUT_MS: '1000',
      BODY_TIMEOUT_MS: '1000',
      ORPHAN_AFTER_MS: '61000',
      MAX_ANSWER_BYTES: '200000',
    },
  });
  admin = await rig.token('acme', 'admin');
  reader = await rig.token('acme', 'agent-reader');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

afterEach(() => mem0.respond(presets.json({ results: [] })));

const LIST = '/memories?user_id=bob';
const ADD = { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false };
const ADDED = presets.json({ results: [{ id: MEMORY_ID, memory: 'tea', event: 'ADD' }] });

/** The record that an answer names, once Postgres has it. */
async function recordOf(answer: { headers: Headers }): Promise<AuditRecord> {
  const place = answer.headers.get('audit-record')!.split(';')[0];
  const find = (all: AuditRecord[]) => all.find(({ log, index }) => `${log}/${index}` === place);
  return find(await rig.recorded((all) => find(all) !== undefined))!;
}

describe('Mem0', () => {
  it.each([
    ['closes the connection', presets.reset(), 502, 'upstream_unreachable'],
    ['answers 500', presets.error(500, { detail: 'psql: acme:bob at 10.0.0.7' }), 502, 'upstream_failed'],
    ['answers 401 about the gateway’s key', presets.error(401), 502, 'upstream_failed'],
    ['answers HTML', presets.html(), 502, 'upstream_unreadable'],
    ['answers malformed JSON', presets.malformedJson(), 502, 'upstream_unreadable'],
    ['answers nothing', presets.empty(), 502, 'upstream_unreadable'],
    ['redirects', presets.redirect('http://127.0.0.1:1/'), 502, 'upstream_unreadable'],
    ['answers too much', presets.oversize(400_000), 502, 'upstream_unreadable'],
    ['breaks off in mid-body', presets.halfThenReset(), 502, 'upstream_unreachable'],
    ['never answers', presets.never(), 504, 'upstream_timeout'],
    ['drips', presets.slowDrip(), 504, 'upstream_timeout'],
  ] as const)('%s: a read fails with a record', async (_what, responder, status, code) => {
    mem0.respond(responder);
    const answer = await rig.call('GET', LIST, reader);
    expect(answer.status).toBe(status);
    expect(answer.json.code).toBe(code);
    expect(JSON.stringify(answer.json)).not.toContain('10.0.0.7');
    expect(await recordOf(answer)).toMatchObject({
      decision: 'allow',
      outcome: { result: 'failure', status },
    });
  });

  it.each([
    ['never answers', presets.never(), 504, 'unknown'],
    ['closes the connection', presets.reset(), 502, 'unknown'],
    ['answers 500', presets.error(500), 502, 'unknown'],
    ['answers 422', presets.error(422), 422, 'failure'],
    ['says 200 and HTML', presets.html(), 502, 'success'],
  ] as const)('%s: the outcome of a write says what is known', async (_what, responder, status, result) => {
    mem0.respond(responder);
    const answer = await rig.call('POST', '/memories', admin, ADD);
    expect(answer.status).toBe(status);
    const outcome = await recordOf(answer);
    expect(outcome).toMatchObject({ phase: 'outcome', decision: 'allow', outcome: { result, status } });
    expect(outcome.intent).toBeDefined();
  });

  it('passes the status and detail of a 4xx, without the tenant’s prefix', async () => {
    mem0.respond(presets.error(422, { detail: 'acme:bob has no such thing', secret: 'x' }));
    const answer = await rig.call('POST', '/memories', admin, ADD);
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toBe('bob has no such thing');
    expect(answer.json.secret).toBeUndefined();
  });

  it.each(['no such thing as globex:victim', 'acme:bob beside globex:victim%2F'])(
    'passes nothing of a detail that names another tenant: %s',
    async (detail) => {
      mem0.respond(presets.error(422, { detail }));
      const answer = await rig.call('POST', '/memories', admin, ADD);
      expect(answer.status).toBe(422);
      expect(JSON.stringify(answer.json)).not.toContain('globex');
    },
  );

  it('returns another tenant’s row: it is withheld, and an event says so', async () => {
    const own = memoryRow({ user_id: 'acme:bob' });
    const foreign = memoryRow({ user_id: 'globex:victim' }, '11111111-1111-4111-8111-111111111111');
    mem0.respond(presets.json({ results: [foreign, own] }));
    const answer = await rig.call('GET', LIST, reader);
    expect(answer.json.results).toEqual([{ ...own, user_id: 'bob' }]);
    const { request_id } = await recordOf(answer);
    const records = await rig.recorded((all) =>
      all.some((r) => r.phase === 'event' && r.request_id === request_id),
    );
    expect(records.find((r) => r.phase === 'event')).toMatchObject({
      reasons: ['isolation_breach'],
      detail: { rows: 1 },
    });
    expect(rig.logs.some((line) => line.includes('isolation_breach'))).toBe(true);
  });

  it.each([
    ['a row without owners', presets.rowWithoutOwners()],
    ['another tenant’s row', presets.otherTenantsRow()],
    ['null', presets.missing()],
    [
      'a row about another memory',
      presets.row(memoryRow({ user_id: 'acme:bob' }, '22222222-2222-4222-8222-222222222222')),
    ],
  ])('returns %s by id: 404, and nothing is done', async (_what, responder) => {
    mem0.respond(responder);
    for (const [method, path, body] of [
      ['GET', `/memories/${MEMORY_ID}`],
      ['GET', `/memories/${MEMORY_ID}/history`],
      ['PUT', `/memories/${MEMORY_ID}`, { text: 'x' }],
      ['DELETE', `/memories/${MEMORY_ID}`],
    ] as const) {
      const before = mem0.requests.length;
      const answer = await rig.call(method, path, admin, body);
      expect(answer.status).toBe(404);
      expect(await recordOf(answer)).toMatchObject({
        decision: 'deny',
        reasons: expect.arrayContaining(['owner_unproven']),
      });
      expect(mem0.requests.slice(before).every((request) => request.method === 'GET')).toBe(true);
    }
  });
});

describe('a client that is slow', () => {
  const head = (token: string, length: number) =>
    rawText('POST', '/memories', [
      ['Host', `127.0.0.1:${rig.port}`],
      ['Authorization', `Bearer ${token}`],
      ['Content-Type', 'application/json'],
      ['Content-Length', String(length)],
    ]);

  it('with its body is not waited for', async () => {
    const started = Date.now();
    const answer = await rawRequest(rig.port, `${head(admin, 100_000)}{`, { timeoutMs: 8000 });
    expect(answer.status).toBe(400);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it('and announces more than is taken is refused before it sends it', async () => {
    const answer = await rawRequest(rig.port, head(admin, 2_000_000_000), { timeoutMs: 5000 });
    expect(answer.status).toBe(413);
  });
});

describe('a client that goes away', () => {
  it('while Mem0 is changing something: the outcome is recorded all the same', async () => {
    mem0.respond(async (request, response) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      return ADDED(request, response);
    });
    const leaving = new AbortController();
    const token = await rig.token('acme', 'admin', 'leaver');
    const sent = fetch(`${rig.url}/memories`, {
      method: 'POST',
      signal: leaving.signal,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(ADD),
    });
    setTimeout(() => leaving.abort(), 150);
    await expect(sent).rejects.toThrow();
    const mine = (all: AuditRecord[]) => all.filter(({ actor }) => actor?.sub === 'leaver');
    const records = mine(await rig.recorded((all) => mine(all).length === 2));
    expect(records.map(({ phase }) => phase)).toEqual(['intent', 'outcome']);
    expect(records[1]!.outcome).toMatchObject({ result: 'success', upstream_status: 200 });
  });
});

describe('Postgres', () => {
  it('away: requests go on, and their records arrive when it is back', async () => {
    mem0.respond(ADDED);
    await rig.neon.stop();
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await rig.call('POST', '/memories', admin, ADD));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const ready = await rig.call('GET', '/ready');
    expect(ready.status).toBe(200);
    expect(ready.json.parts.audit_database).toBe('down');
    expect(ready.json.status).toBe('degraded');
    await rig.restartNeon();
    for (const answer of answers) {
      const [place, leaf] = answer.headers.get('audit-record')!.split(';');
      const record = await recordOf(answer);
      expect(`${record.log}/${record.index}`).toBe(place);
      expect(leaf).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});

describe('the gateway killed', () => {
  it('loses and doubles no record that it acknowledged', async () => {
    mem0.respond(ADDED);
    const told = new Map<string, string>();
    let stop = false;
    const client = async (n: number) => {
      const token = await rig.token('acme', 'admin', `counter-${n}`);
      while (!stop) {
        const answer = await rig.call('POST', '/memories', token, ADD).catch(() => undefined);
        const receipt = answer?.headers.get('audit-record');
        if (!receipt) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          continue;
        }
        const [place, leaf] = receipt.split(';') as [string, string];
        expect(told.has(place), 'a place is told once').toBe(false);
        told.set(place, leaf);
      }
    };
    const clients = Array.from({ length: 8 }, (_, n) => client(n));
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      await rig.restartGateway();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    stop = true;
    await Promise.all(clients);
    expect(told.size).toBeGreaterThan(50);
    const owner = await rig.database.as('audit_owner');
    for (let tries = 0; ; tries++) {
      const { rows } = await owner.query(
        "select log || '/' || index as place, encode(leaf, 'hex') as leaf from audit.record",
      );
      const stored = new Map(rows.map(({ place, leaf }) => [place, leaf]));
      expect(stored.size).toBe(rows.length);
      const missing = [...told].filter(([place, leaf]) => stored.get(place) !== leaf);
      if (missing.length === 0) break;
      if (tries > 100) expect(missing).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const records = await rig.records();
    for (const intent of records.filter(({ phase }) => phase === 'intent')) {
      const outcomes = records.filter(
        ({ phase, intent: of }) => phase === 'outcome' && of?.log === intent.log && of.index === intent.index,
      );
      expect(outcomes.length).toBeLessThanOrEqual(1);
    }
  });
});

describe('an older state of the objects restored', () => {
  it('is noticed: the log stops acknowledging with 503, and says so', async () => {
    // The watermark of the database moves on behind the object's back, as after a restore of the object.
    const { rows } = await (await rig.database.as('audit_owner')).query(
      "select log, head from audit.log_head where log like 'globex~%'",
    );
    expect(rows).toEqual([]);
    const token = await rig.token('globex', 'agent-reader');
    const first = await rig.call('GET', LIST, token);
    await recordOf(first);
    const writer = await rig.database.as('audit_writer');
    const text = JSON.stringify({
      v: 1,
      log: 'globex~0~1',
      index: 1,
      time: Date.now(),
      phase: 'outcome',
      request_id: 'ghost',
      tenant: 'globex',
      decision: 'allow',
      reasons: ['x'],
    });
    await writer.query('select * from audit.append_batch($1, 1, $2::jsonb)', [
      'globex~0~1',
      JSON.stringify([text]),
    ]);
    const answers = [];
    for (let i = 0; i < 40; i++) {
      answers.push((await rig.call('GET', LIST, token)).status);
      if (answers.at(-1) === 503) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(answers.at(-1)).toBe(503);
    const refused = await rig.call('GET', LIST, token);
    expect(refused.json.code).toBe('audit_unavailable');
    expect(refused.json.results).toBeUndefined();
    // What the gateway prints arrives through a pipe, and later than its answer.
    await expect
      .poll(() => rig.logs.some((line) => line.includes('audit_fork')), { timeout: 10_000 })
      .toBe(true);
    expect((await rig.call('GET', LIST, reader)).status).toBe(200);
  });
});
