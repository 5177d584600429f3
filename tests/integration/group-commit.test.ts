import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuditRecord } from '../../core/record.ts';
import { type FakeMem0, MEMORY_ID, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { type Rig, startRig } from './rig.ts';

// Requests that share appends, where those who lead them go away, tenants are mixed and the gateway dies.

const ADDED = presets.json({ results: [{ id: MEMORY_ID, memory: 'tea', event: 'ADD' }] });
const ADD = { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false };
const TENANTS = ['acme', 'globex'] as const;

let mem0: FakeMem0;
let rig: Rig;

beforeAll(async () => {
  mem0 = await startFakeMem0();
  mem0.respond(ADDED);
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { ORPHAN_AFTER_MS: '120000' },
  });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

interface Sent {
  /** The request's own X-Request-Id. */
  readonly name: string;
  readonly tenant: string;
  readonly status?: number;
  /** `<log>/<index>` as the answer told it. */
  readonly place?: string;
}

/** An addition whose client goes away after `leaveMs`, if it is given. */
async function send(name: string, tenant: (typeof TENANTS)[number], leaveMs?: number): Promise<Sent> {
  const token = await rig.token(tenant, 'agent-writer', name);
  const leaving = new AbortController();
  const timer = leaveMs === undefined ? undefined : setTimeout(() => leaving.abort(), leaveMs);
  try {
    const answer = await fetch(`${rig.url}/memories`, {
      method: 'POST',
      signal: leaving.signal,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'x-request-id': name,
      },
      body: JSON.stringify(ADD),
    });
    await answer.arrayBuffer();
    const place = answer.headers.get('audit-record')?.split(';')[0];
    return { name, tenant, status: answer.status, ...(place ? { place } : {}) };
  } catch {
    return { name, tenant };
  } finally {
    clearTimeout(timer);
  }
}

/** Every record of these requests is in its tenant's log, at the place that was told, and none is there twice. */
function check(sent: readonly Sent[], records: readonly AuditRecord[]): void {
  const byName = Map.groupBy(records, ({ correlation }) => correlation);
  for (const { name, tenant, status, place } of sent) {
    const own = byName.get(name) ?? [];
    const phases = own.map(({ phase }) => phase);
    expect(new Set(phases).size, name).toBe(phases.length);
    expect(own.every((record) => record.tenant === tenant && record.log.startsWith(`${tenant}~`))).toBe(true);
    if (status === undefined) continue;
    expect(status).toBe(200);
    expect(phases).toEqual(['intent', 'outcome']);
    expect(`${own[1]!.log}/${own[1]!.index}`).toBe(place);
    expect(own[1]!.outcome?.result).toBe('success');
  }
}

const named = (records: readonly AuditRecord[], prefix: string) =>
  records.filter(({ correlation }) => correlation?.startsWith(prefix));

it('records every request once in its tenant’s log when half of the clients go away', async () => {
  const waves: Sent[] = [];
  for (let wave = 0; wave < 4; wave++) {
    const sent = Array.from({ length: 60 }, (_, i) => {
      const leaves = i % 2 === 0 ? 1 + ((i * 7 + wave * 3) % 40) : undefined;
      return send(`leave-${wave}-${i}`, TENANTS[i % 3 === 0 ? 1 : 0], leaves);
    });
    waves.push(...(await Promise.all(sent)));
  }
  const stayed = waves.filter(({ status }) => status !== undefined);
  expect(stayed.length).toBeGreaterThanOrEqual(120);
  expect(stayed.length).toBeLessThan(240);
  // Whoever left after his intent was durable has an outcome, too: nothing waits for a client. Each tenant's log reaches
  // Postgres by itself.
  const records = await rig.recorded((all) => {
    const own = named(all, 'leave-');
    const intents = new Set(
      own.filter(({ phase }) => phase === 'intent').map(({ correlation }) => correlation),
    );
    return own.length === 2 * intents.size && stayed.every(({ name }) => intents.has(name));
  });
  check(waves, records);
  expect(named(records, 'leave-').length).toBeGreaterThan(2 * stayed.length);
});

it('has no answer without its record when the gateway is killed among appends', async () => {
  const waves: Sent[] = [];
  for (let wave = 0; wave < 3; wave++) {
    const sent = Array.from({ length: 40 }, (_, i) => send(`killed-${wave}-${i}`, TENANTS[i % 2]!));
    await new Promise((resolve) => setTimeout(resolve, 25 + 20 * wave));
    await rig.restartGateway();
    waves.push(...(await Promise.all(sent)));
  }
  waves.push(await send('killed-last', 'acme'), await send('killed-end', 'globex'));
  const answered = waves.filter(({ status }) => status === 200);
  const records = await rig.recorded((all) => {
    const outcomes = new Set(
      named(all, 'killed-')
        .filter(({ phase }) => phase === 'outcome')
        .map(({ correlation }) => correlation),
    );
    return answered.every(({ name }) => outcomes.has(name));
  });
  check(waves, records);
});
