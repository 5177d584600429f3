import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withSnapshot } from '../../scripts/lib/database.ts';
import { askGateway } from '../../scripts/lib/verify/gateway.ts';
import type { Fault } from '../../scripts/lib/verify/sections.ts';
import { storedSections } from '../../scripts/lib/verify/stored.ts';
import { verify } from '../../scripts/lib/verify/verify.ts';
import { type FakeMem0, MEMORY_ID, memoryRow, startFakeMem0 } from '../fakes/mem0.ts';
import { type Rig, startRig } from '../integration/rig.ts';
import { faultsOf, requestsIn, type Stored, type Told } from './ledger.ts';

// Load, while the gateway, the SQL endpoint, Postgres' own processes and Mem0 are killed at random. In the end what
// every client was told is held against what the database has, exactly.

const MINUTES = Number(process.env.SOAK_MINUTES ?? '1');
const SEED = Number(process.env.SOAK_SEED ?? '1');
const CLIENTS = 6;
const UPSTREAM_TIMEOUT_MS = 1000;
const ORPHAN_AFTER_MS = UPSTREAM_TIMEOUT_MS + 60_000;

let mem0: FakeMem0;
let rig: Rig;
let tokens: string[];
const told: Told[] = [];
let unanswered = 0;
const done = { kills: 0, outages: 0, crashes: 0, drops: 0 };

/** Mulberry32: the same seed gives the same walk of each client, though not the same timing. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

beforeAll(async () => {
  const random = randomOf(SEED);
  mem0 = await startFakeMem0({
    responder: async ({ method, target }, response) => {
      if (random() < 0.02) {
        done.drops++;
        response.destroy();
        return;
      }
      const row = memoryRow({ user_id: 'acme:bob' });
      const added = { results: [{ id: MEMORY_ID, memory: 'tea', event: 'ADD' }] };
      const byId = target === `/memories/${MEMORY_ID}` && method === 'GET';
      const change = method === 'PUT' || method === 'DELETE';
      const body = byId
        ? row
        : change
          ? { message: 'ok' }
          : target === '/memories'
            ? added
            : { results: [row] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    },
  });
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: {
      ...{ AUDIT_SHARDS: '2', AUDIT_FLUSH_INTERVAL_MS: '100', RATE_LIMIT_REQUESTS: '500' },
      ...{ UPSTREAM_TIMEOUT_MS: String(UPSTREAM_TIMEOUT_MS), ORPHAN_AFTER_MS: String(ORPHAN_AFTER_MS) },
    },
  });
  tokens = await Promise.all([
    rig.token('acme', 'admin', 'a'),
    rig.token('acme', 'agent-writer', 'b'),
    rig.token('acme', 'agent-reader', 'c'),
    rig.token('globex', 'admin', 'd'),
  ]);
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const REQUESTS: readonly (readonly [method: string, path: string, write: boolean, body?: object])[] = [
  ['GET', `/memories/${MEMORY_ID}`, false],
  ['GET', '/memories?user_id=bob', false],
  ['POST', '/search', false, { query: 'tea', filters: { user_id: 'bob' } }],
  ['POST', '/memories', true, { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false }],
  ['PUT', `/memories/${MEMORY_ID}`, true, { text: 'coffee' }],
  ['DELETE', `/memories/${MEMORY_ID}`, true],
  ['GET', '/memories', false],
  ['POST', '/reset', false, {}],
  ['GET', '/governance/v1/whoami', false],
];

async function client(seed: number, until: number): Promise<void> {
  const random = randomOf(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  while (Date.now() < until) {
    const [method, path, write, body] = one(REQUESTS);
    const token = random() < 0.05 ? 'nonsense' : one(tokens);
    try {
      const answer = await rig.call(method, path, token, body);
      const record = answer.headers.get('audit-record') ?? undefined;
      const requestId = answer.headers.get('x-request-id') ?? '';
      told.push({ requestId, status: answer.status, write, ...(record ? { record } : {}) });
    } catch {
      unanswered++;
      await sleep(50);
    }
  }
}

async function trouble(until: number): Promise<void> {
  const random = randomOf(SEED + 1000);
  const admin = await rig.database.as('postgres');
  const victims = async () =>
    (await admin.query("select pid from pg_stat_activity where usename = 'audit_writer'")).rows as {
      pid: number;
    }[];
  const TROUBLES: readonly (() => Promise<unknown>)[] = [
    async () => {
      done.kills++;
      await rig.restartGateway();
    },
    async () => {
      done.outages++;
      await rig.neon.stop();
      await sleep(500 + random() * 2500);
      await rig.restartNeon();
    },
    async () => {
      done.crashes++;
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'audit_writer'",
      );
    },
    async () => {
      // One process of Postgres that dies takes all others along, and Postgres recovers by itself.
      const [victim] = await victims();
      if (!victim) return;
      done.crashes++;
      process.kill(victim.pid, 'SIGKILL');
      await sleep(1000);
    },
  ];
  while (Date.now() < until) {
    await sleep(1500 + random() * 3000);
    // The administrator's own connection ends with the crash that it made.
    await TROUBLES[Math.floor(random() * TROUBLES.length)]!().catch(() => undefined);
  }
}

async function stored(): Promise<Stored[]> {
  const owner = await rig.database.as('audit_owner');
  const { rows } = await owner.query(
    `select log, index::int, canonical as text, encode(leaf, 'hex') as leaf from audit.record
     union all select log, index::int, convert_from(bytes, 'UTF8'), encode(leaf, 'hex') from audit.quarantined
     order by log, index`,
  );
  return rows as Stored[];
}

it(`tells nobody of a record that is not there, for ${MINUTES} min with seed ${SEED}`, async () => {
  const until = Date.now() + MINUTES * 60_000;
  const clients = Array.from({ length: CLIENTS }, (_, n) => client(SEED + n, until));
  await Promise.all([...clients, trouble(until)]);
  // Everything is mended. What was open when its Worker was killed is closed by its log, and so are counters.
  await rig.restartNeon();
  await rig.restartGateway();
  await Promise.all(tokens.map((token) => rig.call('GET', '/governance/v1/whoami', token)));
  const answered = told.filter(({ status }) => status < 500).length;
  let rows = await stored();
  const missing = () => faultsOf(told, rows).length + Math.max(0, answered - requestsIn(rows));
  for (const end = Date.now() + ORPHAN_AFTER_MS + 60_000; missing() > 0 && Date.now() < end; ) {
    await sleep(2000);
    rows = await stored();
  }
  const requests = requestsIn(rows);
  console.log(
    JSON.stringify({ seed: SEED, told: told.length, unanswered, requests, records: rows.length, ...done }),
  );
  expect(faultsOf(told, rows).slice(0, 10)).toEqual([]);
  expect(requests).toBeGreaterThanOrEqual(answered);
  expect(told.filter(({ status }) => status === 200).length).toBeGreaterThan(100);
  expect(done.kills + done.outages + done.crashes).toBeGreaterThan(0);
  for (const tenant of ['acme', 'globex']) expect(await verified(tenant)).toEqual(['good', []]);
});

/** What an auditor finds: the whole log, held against what the gateway's objects know. */
async function verified(tenant: string): Promise<readonly [string, readonly Fault[]]> {
  const gateway = askGateway(rig.url, await rig.token(tenant, 'auditor', 'audrey'), tenant);
  const keys = await gateway.keys();
  const heads = await gateway.heads(keys);
  return withSnapshot(rig.database.url('audit_reader'), 'soak', tenant, async (reader) => {
    const source = { name: 'the database', current: true, sections: () => storedSections(reader) };
    const { verdict, faults } = await verify({ sources: [source], keys, heads, gateway });
    return [verdict, faults] as const;
  });
}
