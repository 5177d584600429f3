import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_CALLS } from '../../worker/mem0/inflight.ts';
import type { PolicyDecision } from '../../worker/policy/policy.ts';
import { Bench } from './in-process.ts';

// What a policy asks in return for its allow, and batches that do not come to their end.

const MEMORY = '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21';
const LIST = '/memories?user_id=bob';
const ADD = { method: 'POST', body: { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob' } };
const ADDED = async () => Response.json({ results: [{ id: MEMORY, memory: 'tea', event: 'ADD' }] });

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

describe('an obligation of the policy', () => {
  const decided = (obligations: PolicyDecision['obligations']) => ({
    decide: (): PolicyDecision => ({ allow: true, reasons: ['role_admin'], obligations, digest: 'x' }),
  });
  const prompted = { ...ADD, body: { ...ADD.body, prompt: 'Keep names only.' } };
  const instructed = {
    method: 'POST',
    body: { messages: 'tea', user_id: 'bob', custom_instructions: 'Keep names only.' },
  };

  it.each([
    ['/memories', prompted, '/prompt'],
    ['/v3/memories/add/', instructed, '/custom_instructions'],
  ])('is needed for a prompt of the caller’s own: %s', async (path, sent, place) => {
    bench.mem0 = ADDED;
    const refused = await bench.send(path, sent);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ code: 'invalid_body', pointer: place });
    expect(bench.asked).toEqual([]);
    expect(bench.records()[0]).toMatchObject({
      decision: 'invalid_request',
      reasons: ['prompt_refused', 'role_admin'],
    });
    bench.policy = decided({ allow_prompt: true });
    expect((await bench.send(path, sent)).status).toBe(200);
    expect(await bench.asked[0]!.json()).toMatchObject({ prompt: 'Keep names only.' });
  });

  it.each([{ redact: ['phi'] }, { allow_prompt: true, redact: [] }])(
    'that the gateway does not know makes the allow a deny: %j',
    async (obligations) => {
      bench.policy = decided(obligations as PolicyDecision['obligations']);
      expect((await bench.send(LIST)).status).toBe(403);
      expect(bench.asked).toEqual([]);
      expect(bench.records()).toMatchObject([
        { decision: 'deny', reasons: ['obligation_unknown', 'role_admin'] },
      ]);
    },
  );

  it('is no leave to send a prompt unless it says true', async () => {
    bench.policy = decided({ allow_prompt: 'yes' });
    expect((await bench.send('/memories', prompted)).status).toBe(400);
  });
});

describe('a batch that stops half-way', () => {
  const IDS = ['1', '2', '3', '4'].map((n) => `8f14e45f-ceea-4672-8a5b-00000000000${n}`);
  const body = { memories: IDS.map((memory_id) => ({ memory_id })) };
  /** Every memory is there, and the third delete ends as it is told to. */
  const stopping = (third: () => Promise<Response>) => async (request: Request) => {
    const id = new URL(request.url).pathname.split('/').at(-1)!;
    if (request.method === 'GET') return Response.json({ id, memory: 'tea', user_id: 'acme:bob' });
    return id === IDS[2] ? third() : Response.json({ message: 'ok' });
  };

  it.each([
    ['refuses', async () => Response.json({}, { status: 404 }), 404, { not_done: IDS.slice(2) }],
    ['fails', async () => Response.json({}, { status: 500 }), 502, { unknown: [IDS[2]], not_done: [IDS[3]] }],
    [
      'is not answered',
      () => Promise.reject(new TypeError('reset')),
      502,
      { unknown: [IDS[2]], not_done: [IDS[3]] },
    ],
  ])(
    'because Mem0 %s is a failure, with what was done and what was not',
    async (_how, third, status, rest) => {
      bench.mem0 = stopping(third);
      const answer = await bench.send('/v1/batch/', { method: 'DELETE', body });
      expect(answer.status).toBe(status);
      expect(((await answer.json()) as { detail: string }).detail).toMatch(/^2 of 4 memories were done/);
      const [intent, outcome] = bench.records();
      expect(intent).toMatchObject({
        phase: 'intent',
        operation: 'platform.batch.delete',
        resource: { ids: IDS },
      });
      expect(outcome).toMatchObject({
        outcome: { result: 'failure' },
        detail: { done: IDS.slice(0, 2), ...rest },
        intent: { index: intent!.index },
      });
      expect(bench.asked.filter(({ method }) => method === 'DELETE')).toHaveLength(3);
    },
  );

  it('is refused where it is larger than the deployment allows', async () => {
    const answer = await bench.send('/v1/batch/', { method: 'DELETE', body, env: { MAX_BATCH_IDS: '3' } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      pointer: '/memories',
      detail: 'A batch has at most 3 memories.',
    });
    expect(bench.asked).toEqual([]);
  });

  it('is, at its largest, as many calls as a request may make', async () => {
    const { app, inflight } = bench.app();
    let now = 0;
    let most = 0;
    bench.mem0 = async (request) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now -= 1;
      const id = new URL(request.url).pathname.split('/').at(-1)!;
      return Response.json({ id, memory: 'tea', user_id: 'acme:bob', message: 'ok' });
    };
    const memories = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        memory_id: `8f14e45f-ceea-4672-8a5b-${String(n).padStart(12, '0')}`,
      }));
    const send = (count: number) =>
      bench.send('/v1/batch/', { method: 'DELETE', body: { memories: memories(count) }, app });
    expect((await send(1000)).status).toBe(400);
    expect(bench.asked).toEqual([]);
    expect((await send(400)).status).toBe(200);
    expect(bench.asked).toHaveLength(800);
    expect(bench.asked.length).toBeLessThanOrEqual(MAX_CALLS);
    expect(most, 'calls at a time').toBeLessThanOrEqual(6);
    expect(inflight.take(32 * 1024 * 1024)).toBe(true);
  });

  it('does nothing at all where one memory is not the tenant’s', async () => {
    bench.mem0 = async (request) => {
      const id = new URL(request.url).pathname.split('/').at(-1)!;
      return Response.json({ id, memory: 'tea', user_id: id === IDS[3] ? 'globex:bob' : 'acme:bob' });
    };
    const answer = await bench.send('/v1/batch/', { method: 'DELETE', body });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({
      detail: `Memory ${IDS[3]} was not found; nothing was done.`,
    });
    expect(bench.asked.every(({ method }) => method === 'GET')).toBe(true);
    expect(bench.records()).toMatchObject([{ phase: 'outcome', decision: 'deny' }]);
  });

  it('gives back what its proofs held, also when one fails before the others have ended', async () => {
    const { app, inflight } = bench.app();
    bench.mem0 = async (request) => {
      const id = new URL(request.url).pathname.split('/').at(-1)!;
      if (id === IDS[0]) return Response.json(null);
      await new Promise((resolve) => setTimeout(resolve, 30));
      return Response.json({ id, memory: 'x'.repeat(1000), user_id: 'acme:bob' });
    };
    expect((await bench.send('/v1/batch/', { method: 'DELETE', body, app })).status).toBe(404);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(inflight.take(32 * 1024 * 1024), 'all of it is free again').toBe(true);
  });
});
