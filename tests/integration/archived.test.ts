import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseVerifierKey } from '../../core/note.ts';
import { withClient } from '../../scripts/lib/database.ts';
import { type Archive, writeArchive } from '../../scripts/lib/retention/archive.ts';
import { takeOut } from '../../scripts/lib/retention/carry-out.ts';
import { planMonths } from '../../scripts/lib/retention/plan.ts';
import type { Report } from '../../scripts/lib/verify/verify.ts';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// A running gateway whose records have been archived, and whose object then loses everything.

const LOG = 'acme~0~1';

let mem0: FakeMem0;
let rig: Rig;
let dir: string;
let admin: string;
let vkey: string;
let archive: Archive;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'archived-'));
  mem0 = await startFakeMem0();
  rig = await startRig({
    ...{ mem0: { url: mem0.url, apiKey: 'upstream-key' }, tenants: ['acme'] },
    env: { AUDIT_CHECKPOINT_INTERVAL_MS: '1000' },
  });
  admin = await rig.token('acme', 'admin', 'ada');
  for (let i = 0; i < 30; i++) await rig.call('GET', '/memories?user_id=bob', admin);
  vkey = (await rig.call('GET', '/.well-known/mem0-governance/audit-keys')).json.signing;
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

const get = (path: string) => rig.call('GET', `/governance/v1/${path}`, admin);

const plan = (client: pg.Client) => planMonths(client, new Date().toISOString().slice(0, 7));

/** As the command does, but the month that is not over yet, once a checkpoint covers what nobody adds to. */
async function archiveAll(): Promise<Archive> {
  return withClient(rig.database.url('audit_owner'), 'test', async (client) => {
    const until = Date.now() + 20_000;
    let month = (await plan(client)).find(({ parts }) => parts.length > 0);
    while (month?.blocks.length !== 0 && Date.now() < until) {
      await sleep(250);
      month = (await plan(client)).find(({ parts }) => parts.length > 0);
    }
    expect(month!.blocks).toEqual([]);
    const file = join(dir, `acme-${month!.month}.bundle`);
    const written = await writeArchive(client, file, month!.parts, [parseVerifierKey(vkey)!]);
    await takeOut(client, month!, [written]);
    return written;
  });
}

async function verify(): Promise<{ code: number | null; report: Report }> {
  const env = { AUDIT_READER_URL: rig.database.url('audit_reader'), AUDIT_TOKEN: admin };
  const args = ['--tenant', 'acme', '--bundle', archive.file, '--gateway', rig.url, '--json'];
  const { code, stdout } = await runCommand('audit-verify', args, { env });
  return { code, report: JSON.parse(stdout) as Report };
}

describe('a hold', () => {
  it('is nobody’s until an administrator sets it, and is recorded', async () => {
    const before = await get('audit/hold');
    expect(before.json).toEqual({ held: false, reason: null, since: null });
    const auditor = await rig.token('acme', 'auditor', 'audrey');
    const body = { held: true, reason: 'case 7' };
    expect((await rig.call('PUT', '/governance/v1/audit/hold', auditor, body)).status).toBe(403);
    const set = await rig.call('PUT', '/governance/v1/audit/hold', admin, body);
    expect(set.status).toBe(200);
    ANSWERS['governance.audit.hold.set']!.schema.parse(set.json);
    expect(set.json).toMatchObject({ held: true, reason: 'case 7' });
    await rig.recorded((records) =>
      records.some(
        ({ operation, resource }) =>
          operation === 'governance.audit.hold.set' && resource?.ids?.[0] === 'hold:on',
      ),
    );
    const kept = await withClient(rig.database.url('audit_owner'), 'test', plan);
    expect(kept.flatMap(({ blocks }) => blocks)).toContain('acme is held');
    await rig.call('PUT', '/governance/v1/audit/hold', admin, { held: false, reason: 'closed' });
    expect((await get('audit/hold')).json).toMatchObject({ held: false, reason: 'closed' });
  });

  it.each([{ held: 'yes', reason: 'x' }, { held: true }, { held: true, reason: '' }])(
    'refuses %j',
    async (body) => {
      expect((await rig.call('PUT', '/governance/v1/audit/hold', admin, body)).status).toBe(400);
    },
  );
});

describe('an archived record', () => {
  it('is 410, which names the file and its digest', async () => {
    archive = await archiveAll();
    const answer = await get(`audit/${LOG}/3`);
    expect(answer.status).toBe(410);
    expect(answer.json).toMatchObject({ code: 'record_archived' });
    expect(answer.json.detail).toContain(archive.sha256);
    const own = await rig.call('GET', `/governance/v1/receipts/${LOG}/3`, admin);
    expect(own.status).toBe(410);
  });

  it('is still proven by its hash', async () => {
    const answer = await get(`audit/${LOG}/3/proof`);
    expect(answer.status).toBe(200);
    ANSWERS['governance.audit.proof']!.schema.parse(answer.json);
    expect(answer.json).toMatchObject({ index: 3, archive: { sha256: archive.sha256 } });
    const file = join(dir, 'receipt.json');
    await writeFile(file, JSON.stringify(answer.json));
    const { code, stdout } = await runCommand('receipt', ['verify', file, '--key', vkey]);
    expect(code).toBe(2);
    expect(stdout).toContain(`the hash is in the signed log; the record that has it is in acme-`);
  });

  it('leaves a log that goes on, and that verifies with its archive', async () => {
    const answer = await rig.call('GET', '/memories?user_id=bob', admin);
    expect(answer.status).toBe(200);
    const { code, report } = await verify();
    expect([code, report.verdict, report.faults]).toEqual([0, 'good', []]);
    expect(report.logs[0]).toMatchObject({ start: 0 });
  });
});

it('leaves enough for an object that lost everything to go on, and to prove what it was', async () => {
  const told = (await get(`audit/${LOG}/3/proof`)).json.leaf;
  await rig.recorded((records) => records.length > 0);
  await rig.restartGateway({}, async () => {
    await rm(join(rig.dir, 'objects'), { recursive: true, force: true });
  });
  const until = Date.now() + 30_000;
  let place = '';
  while (!place.startsWith('acme~0~2/') && Date.now() < until) {
    const answer = await rig.call('GET', '/memories?user_id=bob', admin);
    place = answer.headers.get('audit-record') ?? '';
    await sleep(200);
  }
  expect(place).toMatch(/^acme~0~2\//);
  const answer = await get(`audit/${LOG}/3/proof`);
  expect([answer.status, answer.json.leaf]).toEqual([200, told]);
  const { report } = await verify();
  expect(report.faults).toEqual([]);
  expect(report.logs.map(({ log }) => log)).toEqual([LOG, 'acme~0~2']);
});
