import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type DemoResult, walk } from '../../scripts/lib/demo.ts';
import { paintFor } from '../../scripts/lib/paint.ts';
import { type Rig, startRig } from './rig.ts';

// The newcomer's walk, on the running gateway, with the limits that it has by default.

let dir: string;
let mem0: Mem0;
let rig: Rig;
let said: string[];
let begin: number;
let result: DemoResult;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-demo-'));
  mem0 = await startMem0({ dir, log: () => undefined });
  const env = { RATE_LIMIT_REQUESTS: '100', RATE_LIMIT_ADMIN_REQUESTS: '500' };
  rig = await startRig({ mem0, env });
  said = [];
  begin = Date.now();
  result = await walkSaying((line) => said.push(line), AbortSignal.timeout(60_000));
});

const walkSaying = (say: (line: string) => void, signal: AbortSignal) =>
  walk({
    gateway: rig.url,
    token: (role, tenant) => rig.token(tenant, role),
    audit: { readerUrl: rig.database.url('audit_reader'), superuserUrl: rig.database.url('postgres') },
    ...{ say, paint: (_style, text) => text, signal },
  });

const memoriesOf = async (user: string) =>
  (await rig.call('GET', `/memories?user_id=${user}`, await rig.token('acme', 'admin'))).json;

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

it('takes far less than a minute, and says what each request came to', () => {
  expect(Date.now() - begin).toBeLessThan(30_000);
  expect(result.steps.map(({ title, status }) => [title, status])).toEqual([
    ['add', 200],
    ['search', 200],
    ['denied write', 403],
    ['foreign search', 200],
    ['foreign read', 404],
    ['wildcard delete', 400],
    ['claimed tenant', 403],
    ['rate limit', 429],
    ['delete', 200],
  ]);
  expect(said.join('\n')).toMatch(/100 answered, 20 refused with 429\n {2}Retry-After: \d+/);
});

it('shows the record of each, with its reason', () => {
  expect(result.records.map(({ decision, reasons }) => `${decision}: ${reasons.join(', ')}`)).toEqual([
    'allow: role_agent_writer',
    'allow: role_agent_reader',
    'deny: no_matching_rule',
    'allow: role_admin',
    'deny: owner_unproven, role_admin',
    'invalid_request: id_wildcard',
    'deny: tenant_not_granted',
    'rate_limited: rate_limited',
    'allow: role_admin',
  ]);
  expect(said.join('\n')).not.toContain('\u001b');
});

it('checks a proof, alters a row, finds it by its place, and puts it back', async () => {
  const denied = result.records.find(({ reasons }) => reasons.includes('no_matching_rule'))!;
  const place = `${denied.log}/${denied.index}`;
  expect(result.audit).toEqual({ proven: place, found: place, verdicts: ['good', 'tampering', 'good'] });
  const records = await rig.records();
  expect(records.find(({ log, index }) => `${log}/${index}` === place)!.decision).toBe('deny');
  const superuser = await rig.database.as('postgres');
  const { rows } = await superuser.query(
    "select tgenabled from pg_trigger where tgname = 'append_only' and tgrelid::regclass::text like 'audit.record%'",
  );
  await superuser.end();
  expect(new Set(rows.map(({ tgenabled }) => tgenabled))).toEqual(new Set(['A']));
});

it('leaves no memory behind', async () => {
  const [user] = /alice-[0-9a-f]{8}/.exec(said.join('\n'))!;
  expect(await memoriesOf(user)).toEqual({ results: [] });
});

it('that is broken off leaves none either', async () => {
  const stop = new AbortController();
  let user = '';
  let kept: { readonly results: readonly unknown[] } | undefined;
  const look = async () => {
    kept = await memoriesOf(user);
    stop.abort();
  };
  let looking: Promise<void> | undefined;
  const say = (line: string) => {
    user ||= /alice-[0-9a-f]{8}/.exec(line)?.[0] ?? '';
    if (line.startsWith('3.')) looking = look();
  };
  await expect(walkSaying(say, stop.signal)).rejects.toThrow();
  await looking;
  expect(kept!.results).toHaveLength(1);
  expect(await memoriesOf(user)).toEqual({ results: [] });
});

it('is in colours on a terminal only, and only when they are wanted', () => {
  const paint = (isTTY: boolean, wanted: boolean, env: NodeJS.ProcessEnv) =>
    paintFor({ isTTY }, { wanted, env })('red', 'x');
  expect(paint(true, true, {})).toBe('\u001b[31mx\u001b[39m');
  expect(paint(false, true, {})).toBe('x');
  expect(paint(true, false, {})).toBe('x');
  expect(paint(true, true, { NO_COLOR: '1' })).toBe('x');
});
