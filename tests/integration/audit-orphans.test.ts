import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withTenant } from '../../scripts/lib/database.ts';
import { findOrphans } from '../../scripts/lib/orphans/find.ts';
import type { Judged } from '../../scripts/lib/orphans/report.ts';
import { append, record, thisMonth } from '../../sql/harness.ts';
import { type FakeMem0, memoryRow, presets, type Responder, startFakeMem0 } from '../fakes/mem0.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// Changes whose end nobody learnt: Mem0 dies in the middle of one, or the gateway does. The command lists them, and
// asks the same Mem0 what became of them.

let mem0: FakeMem0;
let rig: Rig;
let admin: string;
/** What Mem0 holds, by id. */
const memories = new Map<string, ReturnType<typeof memoryRow>>();
/** What Mem0 does with the next change: carries it out or not, and dies or says nothing. */
let fate: { readonly carriesOut: boolean; readonly answer: Responder };

const answering: Responder = async (request, response) => {
  const { method, target } = request;
  const path = new URL(target, 'http://mem0').pathname;
  const [, , id = '', history] = path.split('/');
  if (method === 'GET') {
    if (history) return presets.json([])(request, response);
    return presets.json(id ? (memories.get(id) ?? null) : { results: [...memories.values()] })(
      request,
      response,
    );
  }
  if (fate.carriesOut) {
    if (method === 'DELETE') for (const each of id ? [id] : [...memories.keys()]) memories.delete(each);
    if (method === 'PUT') Object.assign(memories.get(id)!, { updated_at: new Date().toISOString() });
  }
  return fate.answer(request, response);
};

beforeAll(async () => {
  mem0 = await startFakeMem0({ responder: answering });
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { UPSTREAM_TIMEOUT_MS: '1000', ORPHAN_AFTER_MS: '61000' },
  });
  admin = await rig.token('acme', 'admin', 'ann');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

beforeEach(() => memories.clear());

function remember(): string {
  const id = randomUUID();
  memories.set(id, memoryRow({ user_id: 'acme:bob' }, id));
  return id;
}

const env = (more: { [name: string]: string } = {}) => ({
  AUDIT_READER_URL: rig.database.url('audit_reader'),
  MEM0_ORIGIN: mem0.url,
  MEM0_API_KEY: 'upstream-key',
  ...more,
});

async function orphans(more: { [name: string]: string } = {}, ...args: string[]) {
  const { code, stdout } = await runCommand('audit-orphans', ['--tenant', 'acme', '--json', ...args], {
    env: env(more),
  });
  return { code, listed: JSON.parse(stdout) as Judged[] };
}

/** Waits until Postgres has the outcome of a request, and returns what the command says of it. */
async function orphanOf(requestId: string): Promise<Judged | undefined> {
  await rig.recorded((all) =>
    all.some(({ request_id, phase }) => request_id === requestId && phase === 'outcome'),
  );
  const { code, listed } = await orphans();
  expect(code).toBe(1);
  return listed.find(({ request_id }) => request_id === requestId);
}

describe('npm run audit:orphans', () => {
  it('says that there is none', async () => {
    await rig.call('GET', '/governance/v1/whoami', admin);
    await rig.recorded((records) => records.length > 0);
    const ran = await runCommand('audit-orphans', ['--tenant', 'acme'], { env: env() });
    expect(ran).toEqual({ code: 0, stdout: 'Of every change it is known what became of it.\n', stderr: '' });
  });

  it.each([
    ['DELETE', true, 'done', '1 of 1: gone, by this request or a later one'],
    ['DELETE', false, 'not_done', '1 of 1: still there'],
    ['PUT', true, 'done', '1 of 1: changed since, by this request or a later one'],
    ['PUT', false, 'not_done', '1 of 1: not changed since'],
  ] as const)(
    'asks Mem0, which died in a %s, carried out: %s',
    async (method, carriesOut, verdict, because) => {
      const id = remember();
      fate = { carriesOut, answer: presets.reset() };
      const body = method === 'PUT' ? { text: 'x' } : undefined;
      const answer = await rig.call(method, `/memories/${id}`, admin, body);
      expect(answer.status).toBe(502);
      const orphan = await orphanOf(answer.headers.get('x-request-id')!);
      expect(orphan).toMatchObject({
        state: 'unknown',
        actor: 'ann',
        ids: [id],
        verdict,
        because,
      });
      expect(orphan!.time).toMatch(/^20.*Z$/);
      expect(orphan!.intent).toEqual({ log: 'acme~0~1', index: expect.any(Number) });
    },
  );

  it('looks at every memory that a delete by filter listed', async () => {
    const ids = [remember(), remember()];
    fate = {
      carriesOut: false,
      answer: (request, response) => {
        memories.delete(ids[0]!);
        return presets.reset()(request, response);
      },
    };
    const answer = await rig.call('DELETE', '/memories?user_id=bob', admin);
    const orphan = await orphanOf(answer.headers.get('x-request-id')!);
    expect(orphan).toMatchObject({ operation: 'oss.memories.delete_all', verdict: 'partly' });
    expect(orphan!.ids).toEqual(expect.arrayContaining(ids));
  });

  it('says of an add that it cannot be known', async () => {
    fate = { carriesOut: true, answer: presets.reset() };
    const body = { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false };
    const answer = await rig.call('POST', '/memories', admin, body);
    const asked = mem0.requests.length;
    expect(await orphanOf(answer.headers.get('x-request-id')!)).toMatchObject({ verdict: 'unknowable' });
    const adds = mem0.requests.slice(asked).filter(({ method }) => method !== 'GET');
    expect(adds).toEqual([]);
  });

  it('prints a table, and names what it could not ask', async () => {
    const args = ['--tenant', 'acme'];
    const ran = await runCommand('audit-orphans', args, { env: env({ MEM0_ORIGIN: 'http://127.0.0.1:9' }) });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('not_asked: Mem0 cannot be reached from here');
    expect(ran.stderr).toMatch(/^6 of 6 are not settled by a correction\.\n$/);
    const silent = await runCommand('audit-orphans', [...args, '--no-mem0'], { env: env() });
    expect(silent.stdout).toContain('not_asked: Mem0 was not asked');
    expect(ran.stdout + silent.stdout).not.toContain('upstream-key');
  });

  it('leaves out what was recorded before --since', async () => {
    const since = new Date(Date.now() + 1000).toISOString();
    expect(await orphans({}, '--since', since)).toEqual({ code: 0, listed: [] });
  });

  it.each([
    [[], {}, 'Say which: --tenant ID.'],
    [['--tenant', 'acme', '--since', 'monday'], {}, '--since is RFC 3339'],
    [
      ['--tenant', 'acme'],
      { AUDIT_READER_URL: 'postgresql://x:secret@127.0.0.1:9/audit' },
      'cannot be reached',
    ],
    [['--tenant', 'acmee'], {}, 'The database holds no log of acmee: check the name'],
    [['--tenant', 'acme'], { ORPHAN_AFTER_MS: 'soon' }, 'ORPHAN_AFTER_MS is not good.'],
    [['--tenant', 'acme', '--env', 'nowhere'], {}, 'config/tenants.nowhere.json cannot be read.'],
  ])('ends with 2 where it cannot check: %j %j', async (args, more, said) => {
    const { code, stderr } = await runCommand('audit-orphans', args, { env: env(more) });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) });
    expect(stderr).not.toContain('secret');
  });
});

describe('the gateway, killed in the middle of a change', () => {
  it('leaves an intent that is open, and is closed as unknown by the log itself', {
    timeout: 150_000,
  }, async () => {
    const id = remember();
    const reached = Promise.withResolvers<void>();
    fate = { carriesOut: true, answer: () => reached.resolve() };
    const token = await rig.token('acme', 'admin', 'victim');
    const sent = rig.call('DELETE', `/memories/${id}`, token).catch(() => undefined);
    await reached.promise;
    await rig.restartGateway();
    await sent;
    // A call wakes the log's object, as any traffic would.
    await rig.call('GET', '/governance/v1/whoami', token);
    const mine = (listed: readonly Judged[]) => listed.find(({ actor }) => actor === 'victim');
    const isIntent = ({ actor, phase }: Awaited<ReturnType<Rig['records']>>[number]) =>
      actor?.sub === 'victim' && phase === 'intent';
    await rig.recorded((all) => all.some(isIntent));
    expect(mine((await orphans()).listed)).toBeUndefined();
    const { time } = (await rig.records()).find(isIntent)!;
    await new Promise((resolve) => setTimeout(resolve, time + 1010 - Date.now()));
    expect(mine((await orphans({ ORPHAN_AFTER_MS: '1000' })).listed)).toMatchObject({
      state: 'open',
      ids: expect.arrayContaining([id]),
      verdict: 'done',
      because: '1 of 1: gone, by this request or a later one',
    });
    const orphaned = (all: Awaited<ReturnType<Rig['records']>>) =>
      all.some(({ actor, reasons }) => actor?.sub === 'victim' && reasons.includes('orphaned'));
    for (let seconds = 0; seconds < 100 && !orphaned(await rig.records()); seconds++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    expect(mine((await orphans()).listed)).toMatchObject({
      state: 'unknown',
      reasons: ['orphaned'],
      verdict: 'done',
    });
  });
});

describe('what is found', () => {
  it('is the same by any page, with records that Postgres keeps as bytes, and the tenant’s alone', async () => {
    const database = await rig.cluster.fresh();
    const writer = await database.as('audit_writer');
    const place = (log: string, index: number) => ({ log, index });
    const change = (
      log: string,
      n: number,
      phase: 'intent' | 'outcome' | 'correction',
      result?: 'unknown' | 'success',
    ) =>
      record(
        log,
        n,
        {
          phase,
          request_id: `r-${Math.floor(n / 3)}`,
          action: 'write',
          operation: 'oss.memories.update',
          ...(phase === 'intent' ? {} : { intent: place(log, n - 1), outcome: { result: result! } }),
        },
        thisMonth() + n,
      );
    const [log, other] = ['acme~0~1', 'globex~0~1'];
    const rows = Array.from({ length: 10 }, (_, n) => [
      change(log, n * 3, 'intent'),
      change(log, n * 3 + 1, 'outcome', n % 2 === 0 ? 'unknown' : 'success'),
      n === 4
        ? change(log, n * 3 + 2, 'correction', 'success')
        : record(log, n * 3 + 2, {}, thisMonth() + n * 3 + 2),
    ]).flat();
    await append(writer, log, 0, rows);
    await append(writer, other, 0, [change(other, 0, 'intent')]);
    // An open intent whose outcome Postgres keeps as bytes, and one of which it keeps the intent itself.
    await append(writer, log, 30, [change(log, 30, 'intent')]);
    const keep = (index: number, text: string) =>
      writer.query('select * from audit.quarantine($1, $2, $3, $4)', [
        log,
        index,
        Buffer.from(text),
        '22P05',
      ]);
    await keep(31, change(log, 31, 'outcome', 'success').text);
    await keep(32, record(log, 32, { phase: 'intent', request_id: 'r-kept' }).text);
    const options = { now: thisMonth() + 10_000_000, orphanAfterMs: 180_000 };
    const find = (more: object = {}) =>
      withTenant(database.url('audit_reader'), 'test', 'acme', (reader) =>
        findOrphans(reader, { ...options, ...more }),
      );
    const found = await find();
    expect(found.map(({ request_id, state }) => `${request_id} ${state}`).sort()).toEqual([
      'r-0 unknown',
      'r-2 unknown',
      'r-4 corrected',
      'r-6 unknown',
      'r-8 unknown',
      'r-kept open',
    ]);
    for (const pageRows of [1, 2, 5]) expect(await find({ pageRows })).toEqual(found);
    expect((await find({ now: thisMonth() + 32 })).map(({ request_id }) => request_id)).not.toContain(
      'r-kept',
    );
  });
});
