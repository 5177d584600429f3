import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ocsfEvent } from '../../core/ocsf.ts';
import { type AuditRecord, leafHash } from '../../core/record.ts';
import { withTenant } from '../../scripts/lib/database.ts';
import { type ExportOptions, exportLines } from '../../scripts/lib/export.ts';
import { append, type Database, record, records, thisMonth } from '../../sql/harness.ts';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, MEMORY_ID, memoryRow, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { ocsfFaults } from '../vectors/ocsf-schema.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// The export, and the live read as OCSF events, over records of a running gateway and over logs made by hand.

let mem0: FakeMem0;
let rig: Rig;
let made: Database;
let dir: string;
let readerEnv: { readonly AUDIT_READER_URL: string };

const QUARANTINED = Buffer.from(
  JSON.stringify({ ...JSON.parse(record('acme~0~1', 2500).text), detail: { text: '\u0000' } }),
);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'audit-export-'));
  mem0 = await startFakeMem0();
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { UPSTREAM_TIMEOUT_MS: '1000', RATE_LIMIT_REQUESTS: '30' },
  });
  readerEnv = { AUDIT_READER_URL: rig.database.url('audit_reader') };
  made = await rig.cluster.fresh();
  const writer = await made.as('audit_writer');
  await append(writer, 'acme~0~1', 0, records('acme~0~1', 0, 2500));
  await writer.query('select * from audit.quarantine($1, $2, $3, $4)', [
    'acme~0~1',
    2500,
    QUARANTINED,
    '22P05',
  ]);
  await append(writer, 'acme~0~1', 2501, records('acme~0~1', 2501, 2));
  await append(writer, 'acme~1~1', 0, [
    record('acme~1~1', 0, {}, thisMonth() + 1000),
    record('acme~1~1', 1, {}, thisMonth() + 2000),
  ]);
  await append(writer, 'globex~0~1', 0, records('globex~0~1', 0, 5));
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

interface Line {
  readonly log: string;
  readonly index: number;
  readonly leaf: string;
  readonly record: AuditRecord;
}

async function exported(
  options: Partial<ExportOptions> = {},
  who: 'audit_reader' | 'audit_owner' = 'audit_reader',
) {
  const counts = { records: 0, missing: 0, archived: 0, unreadable: 0 };
  const all = await withTenant(made.url(who), 'test', 'acme', (reader) =>
    text(Readable.from(exportLines(reader, { format: 'native', ...options }, counts))),
  );
  const lines = all.split('\n').slice(0, -1);
  return { lines, counts, read: () => lines.map((line) => JSON.parse(line) as Line) };
}

describe('the lines', () => {
  it.each([1000, 7, 2503] as const)(
    'are every record once and in order, by batches of %i',
    async (batchRows) => {
      const { counts, read } = await exported({ batchRows });
      const lines = read();
      expect(lines.map(({ log, index }) => `${log}/${index}`)).toEqual([
        ...Array.from({ length: 2503 }, (_, index) => `acme~0~1/${index}`),
        'acme~1~1/0',
        'acme~1~1/1',
      ]);
      expect(counts).toEqual({ records: 2505, missing: 0, archived: 0, unreadable: 0 });
    },
  );

  it('hold, byte for byte, what was hashed; also of a record that Postgres keeps as bytes', async () => {
    const { lines } = await exported();
    for (const line of [lines[0]!, lines[2500]!]) {
      const hashed = line.slice(line.indexOf('"record":') + '"record":'.length, -1);
      expect(leafHash(Buffer.from(hashed))).toBe((JSON.parse(line) as Line).leaf);
    }
    expect((JSON.parse(lines[2500]!) as Line).record.detail).toEqual({ text: '\0' });
  });

  it('are the tenant’s alone, for the owner of the tables too', async () => {
    const { read } = await exported({}, 'audit_owner');
    expect(new Set(read().map(({ record: { tenant } }) => tenant))).toEqual(new Set(['acme']));
  });

  it('keep to a period, whose end does not belong to it', async () => {
    const { read, counts } = await exported({ from: thisMonth() + 1000, to: thisMonth() + 2000 });
    expect(read().map(({ log, index }) => `${log}/${index}`)).toEqual(['acme~1~1/0']);
    expect(counts.missing).toBe(0);
  });

  it('keep to a log', async () => {
    const { read } = await exported({ log: 'acme~1~1' });
    expect(read().map(({ log }) => log)).toEqual(['acme~1~1', 'acme~1~1']);
    await expect(exported({ log: 'globex~0~1' })).rejects.toThrow('--log is not a log of this tenant.');
    await expect(exported({ log: 'acme~7~1' })).rejects.toThrow('The database holds no such log.');
  });

  it('as events are what the same records are', async () => {
    const native = (await exported()).read();
    const { lines } = await exported({ format: 'ocsf' });
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      native.map(({ record: each, leaf }) => JSON.parse(JSON.stringify(ocsfEvent(each, leaf)))),
    );
    expect(lines.flatMap((line) => ocsfFaults(JSON.parse(line)))).toEqual([]);
  });

  it('leave out a row that is not the record of its place, and count what is gone', async () => {
    const damaged = await rig.cluster.fresh();
    const writer = await damaged.as('audit_writer');
    await append(writer, 'acme~0~1', 0, records('acme~0~1', 0, 3));
    const admin = await damaged.as('postgres');
    await admin.query('set session_replication_role = replica');
    await admin.query('alter table audit.record disable trigger all');
    await admin.query('delete from audit.record where index = 1');
    await admin.query(`alter table audit.quarantined disable trigger all`);
    await admin.query(
      `insert into audit.quarantined (log, index, bytes, sqlstate) values ('acme~0~1', 1, '{}', '22P05')`,
    );
    const counts = { records: 0, missing: 0, archived: 0, unreadable: 0 };
    const run = () =>
      withTenant(damaged.url('audit_reader'), 'test', 'acme', (reader) =>
        text(Readable.from(exportLines(reader, { format: 'ocsf' }, counts))),
      );
    await run();
    expect(counts).toEqual({ records: 2, missing: 0, archived: 0, unreadable: 1 });
    await admin.query('delete from audit.quarantined');
    await run();
    expect(counts).toEqual({ records: 4, missing: 1, archived: 0, unreadable: 1 });
  });
});

describe('npm run audit:export', () => {
  const env = () => ({ AUDIT_READER_URL: made.url('audit_reader') });
  const args = ['--tenant', 'acme'];

  it('prints lines, and nothing else, on standard output', async () => {
    const { code, stdout, stderr } = await runCommand('audit-export', [...args, '--format', 'ocsf'], {
      env: env(),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '2505 records.\n' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2505);
    expect(JSON.parse(lines[0]!)).toMatchObject({ class_uid: 6003, metadata: { uid: 'acme~0~1/0' } });
  });

  it('writes a new file for its user alone, and never over one that is there', async () => {
    const out = join(dir, 'acme.jsonl');
    const first = await runCommand('audit-export', [...args, '--out', out, '--json'], { env: env() });
    expect(first.code).toBe(0);
    expect(JSON.parse(first.stdout)).toEqual({ records: 2505, missing: 0, archived: 0, unreadable: 0 });
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toHaveLength(2505);
    await writeFile(out, 'mine');
    const second = await runCommand('audit-export', [...args, '--out', out], { env: env() });
    expect(second).toMatchObject({ code: 1, stderr: `${out} exists already: choose another.\n` });
    expect(await readFile(out, 'utf8')).toBe('mine');
  });

  it('leaves no file when it is stopped', async () => {
    const out = join(dir, 'stopped.jsonl');
    const holder = await made.as('audit_owner');
    // The lock keeps the export waiting for its second statement until it has been told to stop.
    await holder.query('begin; lock table audit.quarantined in access exclusive mode');
    const file = fileURLToPath(new URL('../../scripts/run.cjs', import.meta.url));
    const child = spawn(process.execPath, [file, 'audit-export', ...args, '--out', out], {
      env: { ...process.env, ...env() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(child, 'close') as Promise<[number]>;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const waiting = await made.as('postgres');
    for (let tries = 0; tries < 200; tries++) {
      const { rows } = await waiting.query(
        `select from pg_stat_activity where application_name = 'audit-export' and wait_event_type = 'Lock'`,
      );
      if (rows.length > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await holder.query('rollback');
    expect((await ended)[0], said).toBe(130);
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });

  it.each([
    [[], 'Say which: --tenant ID.'],
    [['--tenant', 'a b'], '--tenant is a tenant id, or ~strangers.'],
    [['--tenant', 'acme', '--format', 'cef'], '--format is native or ocsf.'],
    [
      ['--tenant', 'acme', '--from', 'yesterday'],
      '--from is RFC 3339 with an offset, as 2026-11-01T00:00:00Z.',
    ],
    [['--tenant', 'acme', '--json'], '--json needs --out: the records go to standard output.'],
  ])('refuses %j', async (given, said) => {
    const { code, stdout, stderr } = await runCommand('audit-export', given, { env: env() });
    expect([code, stdout + stderr]).toEqual([
      2,
      given.includes('--json') ? `{"error":"${said}"}\n` : `${said}\n`,
    ]);
  });

  it('says of a tenant that has no log that there is none, and leaves no file', async () => {
    const out = join(dir, 'nothing.jsonl');
    const given = ['--tenant', 'acmee', '--out', out];
    const { code, stderr } = await runCommand('audit-export', given, { env: env() });
    expect([code, stderr]).toEqual([
      ...[1, expect.stringMatching(/^The database holds no log of acmee: check the name.*\n$/)],
    ]);
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });

  it('says nothing of a password that does not fit', async () => {
    const url = new URL(made.url('audit_reader'));
    url.password = 'topsecret';
    const ran = await runCommand('audit-export', args, { env: { AUDIT_READER_URL: url.href } });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^The database cannot be reached: .*\n$/);
    expect(ran.stdout + ran.stderr).not.toContain('topsecret');
  });
});

describe('records of a running gateway', () => {
  it('are valid events of every kind, in the export and in the live read', async () => {
    const admin = await rig.token('acme', 'admin', 'ann');
    const reader = await rig.token('acme', 'agent-reader', 'rita');
    const busy = await rig.token('acme', 'agent-reader', 'busy');
    const auditor = await rig.token('acme', 'auditor', 'audrey');
    const own = memoryRow({ user_id: 'acme:bob' });
    mem0.respond(presets.json({ results: [own, memoryRow({ user_id: 'globex:victim' })] }));
    await rig.call('GET', '/memories?user_id=bob', reader);
    await rig.call('DELETE', '/memories?user_id=bob', reader);
    await rig.call('GET', '/memories?user_id=bob&surprise=1', reader);
    await rig.call('GET', '/no/such/path', reader);
    await rig.call('GET', '/memories?user_id=bob');
    await rig.call('GET', '/memories?user_id=bob', 'no.good.token');
    mem0.respond(presets.row(own));
    await rig.call('PUT', `/memories/${MEMORY_ID}`, admin, { text: 'x' });
    mem0.respond(presets.reset());
    const add = { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false };
    await rig.call('POST', '/memories', admin, add);
    for (let i = 0; i < 35; i++) await rig.call('GET', '/governance/v1/whoami', busy);
    await rig.recorded((all) => all.some(({ decision }) => decision === 'rate_limited'));

    const live = await rig.call('GET', '/governance/v1/audit?format=ocsf&limit=500', auditor);
    expect(live.status).toBe(200);
    ANSWERS['governance.audit.list']!.schema.parse(live.json);
    const native = await rig.call('GET', '/governance/v1/audit?limit=1&action=write', auditor);
    expect(native.json.records[0].record.action).toBe('write');
    expect(native.json.events).toBeUndefined();
    expect((await rig.call('GET', '/governance/v1/audit?format=cef', auditor)).status).toBe(400);

    const events: { class_uid: number; status: string; metadata: { uid: string } }[] = [];
    for (const tenant of ['acme', '~strangers']) {
      const { code, stdout } = await runCommand('audit-export', ['--tenant', tenant, '--format', 'ocsf'], {
        env: readerEnv,
      });
      expect(code).toBe(0);
      events.push(
        ...stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      );
    }
    expect([...events, ...live.json.events].flatMap(ocsfFaults)).toEqual([]);
    const byPlace = new Map(events.map((event) => [event.metadata.uid, event]));
    for (const event of live.json.events) expect(byPlace.get(event.metadata.uid)).toEqual(event);
    const kinds = new Set((await rig.records()).map(({ phase, decision }) => `${phase} ${decision}`));
    expect(kinds).toEqual(
      new Set([
        'event allow',
        'intent allow',
        'outcome allow',
        'outcome deny',
        'outcome invalid_request',
        'outcome rate_limited',
        'outcome unauthenticated',
      ]),
    );
    expect(new Set(events.map(({ class_uid }) => class_uid))).toEqual(new Set([6003, 3002]));
    expect(new Set(events.map(({ status }) => status))).toEqual(
      new Set(['Success', 'Failure', 'Unknown', 'Pending', 'Noticed']),
    );
  });

  it('go on from a page in one format with the cursor of the other', async () => {
    const auditor = await rig.token('acme', 'auditor', 'audrey');
    const first = await rig.call('GET', '/governance/v1/audit?limit=2&action=write', auditor);
    const next = await rig.call(
      'GET',
      `/governance/v1/audit?limit=2&action=write&format=ocsf&cursor=${first.json.next_cursor}`,
      auditor,
    );
    const given = first.json.records.map(({ log, index }: Line) => `${log}/${index}`);
    const uids = next.json.events.map(({ metadata }: { metadata: { uid: string } }) => metadata.uid);
    expect(uids).toHaveLength(2);
    expect(uids.filter((uid: string) => given.includes(uid))).toEqual([]);
  });
});
