import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeMem0, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { type Rig, startRig } from './rig.ts';

let mem0: FakeMem0;
let rig: Rig;

beforeAll(async () => {
  mem0 = await startFakeMem0({ responder: presets.json({ results: [] }) });
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { RATE_LIMIT_REQUESTS: '20', RATE_LIMIT_ADMIN_REQUESTS: '50', RATE_LIMIT_WINDOW_SECONDS: '5' },
  });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const LIST = '/memories?user_id=bob';

async function burst(token: string, count: number, path = LIST): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => rig.call('GET', path, token)));
  return answers.map(({ status }) => status);
}

const count = (statuses: readonly number[], status: number) =>
  statuses.filter((each) => each === status).length;

describe('the rate limit', () => {
  it('admits exactly the limit under concurrency, by role', async () => {
    const reader = await burst(await rig.token('acme', 'agent-reader', 'one'), 60);
    expect([count(reader, 200), count(reader, 429)]).toEqual([20, 40]);
    const admin = await burst(await rig.token('acme', 'admin', 'two'), 60);
    expect([count(admin, 200), count(admin, 429)]).toEqual([50, 10]);
  });

  it('is one per tenant and actor', async () => {
    expect(count(await burst(await rig.token('globex', 'agent-reader', 'one'), 20), 200)).toBe(20);
  });

  it('says exactly when room returns, and keeps its word', async () => {
    const token = await rig.token('acme', 'agent-reader', 'patient');
    await burst(token, 20);
    const refused = await rig.call('GET', LIST, token);
    expect(refused.status).toBe(429);
    expect(refused.json.code).toBe('rate_limited');
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThanOrEqual(4);
    expect(wait).toBeLessThanOrEqual(5);
    expect(refused.headers.get('ratelimit-policy')).toBe('"actor";q=20;w=5');
    expect(refused.headers.get('ratelimit')).toMatch(/^"actor";r=0;t=[45]$/);
    expect(refused.headers.get('x-ratelimit-limit')).toBe('20');
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    expect((await rig.call('GET', LIST, token)).status).toBe(200);
  });

  it('is not exceeded across a restart of the gateway', async () => {
    const token = await rig.token('acme', 'agent-reader', 'restarted');
    const before = count(await burst(token, 12), 200);
    await rig.restartGateway();
    const after = count(await burst(token, 20), 200);
    expect(before + after).toBeLessThanOrEqual(20);
    // Early by at most one reservation of five.
    expect(before + after).toBeGreaterThanOrEqual(15);
  });

  it('counts invalid requests in a window of their own', async () => {
    const token = await rig.token('acme', 'agent-reader', 'clumsy');
    const invalid = await burst(token, 30, '/memories?bogus=1');
    expect([count(invalid, 400), count(invalid, 429)]).toEqual([20, 10]);
    expect((await rig.call('GET', LIST, token)).status).toBe(200);
  });

  it('coalesces refusals: the counts add up to the requests', async () => {
    const token = await rig.token('acme', 'agent-reader', 'flooding');
    const statuses = await burst(token, 120);
    const limited = count(statuses, 429);
    expect(limited).toBe(100);
    const of = (records: Awaited<ReturnType<Rig['records']>>) =>
      records.filter(({ actor, decision }) => actor?.sub === 'flooding' && decision === 'rate_limited');
    const sum = (records: Awaited<ReturnType<Rig['records']>>) =>
      of(records).reduce((total, { count: n }) => total + (n ?? 1), 0);
    const records = await rig.recorded((all) => sum(all) >= limited);
    expect(sum(records)).toBe(limited);
    expect(of(records).length).toBeLessThanOrEqual(4);
  });
});
