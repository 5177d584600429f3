import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../scripts/lib/verify/verify.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// `npm run audit:verify` over the records of a running gateway: with it, without it, and after somebody changed one.

let mem0: FakeMem0;
let rig: Rig;
let dir: string;
let env: { readonly AUDIT_READER_URL: string; readonly AUDIT_TOKEN: string };
let vkey: string;
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'audit-verify-'));
  mem0 = await startFakeMem0();
  // Long enough for all of them to be there at the first flush, behind which the first checkpoint is signed.
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { AUDIT_FLUSH_INTERVAL_MS: '2000' },
  });
  const auditor = await rig.token('acme', 'auditor', 'audrey');
  const writer = await rig.token('acme', 'agent-writer', 'will');
  env = { AUDIT_READER_URL: rig.database.url('audit_reader'), AUDIT_TOKEN: auditor };
  const body = { messages: [{ role: 'user', content: 'tea' }], user_id: 'bob', infer: false };
  for (let i = 0; i < 12; i++) await rig.call('POST', '/memories', writer, body);
  await rig.recorded((records) => records.length >= 24);
  vkey = (await rig.call('GET', '/.well-known/mem0-governance/audit-keys')).json.signing;
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function verify(
  ...args: readonly string[]
): Promise<{ code: number | null; report: Report; err: string }> {
  const { code, stdout, stderr } = await runCommand('audit-verify', [...args, '--json'], { env });
  return { code, report: JSON.parse(stdout) as Report, err: stderr };
}

/** What somebody with every right in the database does. */
async function alter(statement: string): Promise<void> {
  const superuser = await rig.database.as('postgres');
  await superuser.query(`do $$ declare t regclass; begin
    for t in select 'audit.record'::regclass union select inhrelid from pg_inherits
      where inhparent = 'audit.record'::regclass loop
      execute format('alter table %s disable trigger append_only', t);
    end loop;
  end $$`);
  await superuser.query(statement);
  await superuser.end();
}

describe('the log of a running gateway', () => {
  it('is good when the gateway is asked', async () => {
    const { code, report } = await verify('--tenant', 'acme', '--gateway', rig.url);
    expect([code, report.verdict, report.unchecked, report.first]).toEqual([0, 'good', [], null]);
    expect(report.logs[0]).toMatchObject({ log: 'acme~0~1', head: { by: 'the gateway' } });
    expect(report.records).toBeGreaterThanOrEqual(24);
    expect(report.intents).toEqual([]);
  });

  it('is good by a token that grants other tenants, too', async () => {
    const both = await rig.token(['acme', 'globex'], 'auditor', 'audrey');
    const args = ['--tenant', 'acme', '--gateway', rig.url];
    const ran = await runCommand('audit-verify', args, { env: { ...env, AUDIT_TOKEN: both } });
    expect([ran.code, ran.stderr]).toEqual([0, '']);
  });

  it('says what it did not hold it against, and exits 2', async () => {
    const { code, stdout } = await runCommand('audit-verify', ['--tenant', 'acme', '--key', vkey], { env });
    expect(code).toBe(2);
    expect(stdout).toContain('head not checked: a cut or re-signed log cannot be excluded (acme~0~1)');
  });

  it('is good by a receipt or a checkpoint that the auditor kept', async () => {
    const auditor = env.AUDIT_TOKEN;
    const receipt = await rig.call('GET', '/governance/v1/audit/acme~0~1/20/proof', auditor);
    const checkpoint = await rig.call('GET', '/governance/v1/audit/acme~0~1/checkpoint', auditor);
    await writeFile(file('receipt.json'), JSON.stringify(receipt.json));
    await writeFile(file('checkpoint.json'), JSON.stringify(checkpoint.json));
    await writeFile(file('checkpoint'), checkpoint.json.note);
    for (const kept of ['receipt.json', 'checkpoint.json', 'checkpoint']) {
      const { code, report } = await verify('--tenant', 'acme', '--key', vkey, '--anchor', file(kept));
      expect([kept, code, report.verdict]).toEqual([kept, 0, 'good']);
    }
  });
});

describe('a bundle', () => {
  it('is written once, for its owner alone, and verified without anything else', async () => {
    const bundle = file('acme.bundle');
    const first = await verify('--tenant', 'acme', '--gateway', rig.url, '--export', bundle);
    expect(first.code).toBe(0);
    const again = await runCommand('audit-verify', ['--tenant', 'acme', '--key', vkey, '--export', bundle], {
      env,
    });
    expect([again.code, again.stderr]).toEqual([2, `${bundle} exists already: choose another.\n`]);
    const nothing = { AUDIT_READER_URL: '', AUDIT_TOKEN: '' };
    const alone = async (...args: string[]) => {
      const { code, stdout } = await runCommand('audit-verify', ['--bundle', bundle, ...args], {
        env: nothing,
      });
      return { code, stdout };
    };
    expect(await alone('--key', vkey, '--anchor', file('receipt.json'))).toMatchObject({ code: 0 });
    expect(await alone('--key', vkey)).toMatchObject({ code: 2 });
    expect((await alone()).stdout).toContain('no verifier key was given for gateway.test+');
    expect((await alone('--bundled-keys')).stdout).not.toContain('no verifier key');
    expect((await readFile(bundle, 'utf8')).split('\n').slice(0, 3)).toEqual([
      'mem0-governance-bundle/1 acme 0',
      'keys 1',
      vkey,
    ]);
  });

  it('older than what the gateway has signed since is held against it by a proof', async () => {
    await rig.call('GET', '/governance/v1/whoami', env.AUDIT_TOKEN);
    const { code, report } = await verify('--bundle', file('acme.bundle'), '--gateway', rig.url);
    expect([code, report.verdict, report.logs[0]?.head?.by]).toEqual([0, 'good', 'the gateway']);
  });
});

describe('a record that was changed in the database', () => {
  const change = (from: string, to: string) =>
    alter(`update audit.record set canonical = replace(canonical, '${from}', '${to}'),
        leaf = audit.leaf_hash(replace(canonical, '${from}', '${to}')), actor_sub = '${/"sub":"(.*)"/.exec(to)![1]}'
      where log = 'acme~0~1' and index = 9`);

  it('is found, by its index where the gateway is asked, and is good again when it is put back', async () => {
    await change('"sub":"will"', '"sub":"bill"');
    const asked = await verify('--tenant', 'acme', '--gateway', rig.url);
    expect(asked.code).toBe(1);
    expect(asked.report.first).toMatchObject({ log: 'acme~0~1', index: 9 });
    expect(asked.report.first).not.toHaveProperty('last');
    const alone = await runCommand('audit-verify', ['--tenant', 'acme', '--key', vkey], { env });
    expect(alone.code).toBe(1);
    expect(alone.stdout).toMatch(/tampering: acme~0~1, from 0 to \d+: the records are not those that/);
    await change('"sub":"bill"', '"sub":"will"');
    expect((await verify('--tenant', 'acme', '--gateway', rig.url)).code).toBe(0);
  });
});

describe('a database that forgot everything', () => {
  it('is filled again by the gateway that is asked, or found', async () => {
    const tables = ['record', 'log_head', 'quarantined', 'checkpoint', 'cosignature'];
    await alter(
      tables
        .map((table) => `alter table audit.${table} disable trigger append_only; delete from audit.${table};`)
        .join(' '),
    );
    const { code, report } = await verify('--tenant', 'acme', '--gateway', rig.url);
    expect(report.logs.map(({ log }) => log)).toContain('acme~0~1');
    expect([code, report.verdict, report.faults]).toEqual([0, 'good', []]);
    expect(report.records).toBeGreaterThanOrEqual(24);
  });
});

describe('what cannot be checked', () => {
  it.each([
    ['nothing to verify', [], 'Say what to verify: --tenant ID or --bundle FILE.'],
    ['no tenant', ['--tenant', 'a b'], '--tenant is a tenant id, or ~strangers.'],
    ['no key', ['--tenant', 'acme', '--key', 'x'], '--key: not every word is a verifier key.'],
    ['no file', ['--bundle', '/nowhere/at/all', '--key', 'KEY'], '/nowhere/at/all cannot be read (ENOENT).'],
    ['no gateway', ['--tenant', 'acme', '--gateway', 'http://127.0.0.1:9'], 'The gateway did not answer'],
    [
      'who has no token',
      ['--tenant', '~strangers', '--gateway', 'https://example.com'],
      'A gateway tells nobody of ~strangers',
    ],
    [
      'a gateway without TLS',
      ['--tenant', 'acme', '--gateway', 'http://example.com'],
      '--gateway is an https URL',
    ],
    [
      'no anchor',
      ['--tenant', 'acme', '--key', 'KEY', '--anchor', '/nowhere/at/all'],
      '/nowhere/at/all cannot be read (ENOENT).',
    ],
  ])('%s exits 2', async (_what, args, words) => {
    const given = args.map((arg) => (arg === 'KEY' ? vkey : arg));
    const { code, stderr } = await runCommand('audit-verify', given, { env });
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  it('of a damaged bundle is told by its name, before anything is read of it', async () => {
    const damaged = file('damaged.bundle');
    await writeFile(damaged, 'mem0-governance-bundle/1 acme 0\nkeys none\n');
    const { code, stderr } = await runCommand('audit-verify', ['--bundle', damaged, '--key', vkey], { env });
    expect([code, stderr]).toEqual([2, `${damaged} cannot be read: line 2: not a number.\n`]);
  });

  it('with a token that may not read is told', async () => {
    const reader = await rig.token('acme', 'agent-reader', 'rita');
    const asked = { ...env, AUDIT_TOKEN: reader };
    const { code, stderr } = await runCommand('audit-verify', ['--tenant', 'acme', '--gateway', rig.url], {
      env: asked,
    });
    expect(code).toBe(2);
    expect(stderr).toContain('answered /governance/v1/audit/logs with 403. Its token needs `audit_read`');
  });
});
