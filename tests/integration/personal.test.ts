import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withTenant } from '../../scripts/lib/database.ts';
import { append, record } from '../../sql/harness.ts';
import { pseudonymOf } from '../../worker/audit/personal.ts';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// Personal values on the running gateway: tokens in records, resolved for those who may, erased for good.

const SECRET = randomBytes(32).toString('base64url');
const OLD_SECRET = randomBytes(32).toString('base64url');
const PSEUDONYM_KEY = `k1:${randomBytes(32).toString('base64url')}`;

let mem0: FakeMem0;
let rig: Rig;
let admin: string;
let auditor: string;
let reader: string;

beforeAll(async () => {
  mem0 = await startFakeMem0();
  rig = await startRig({
    mem0: { url: mem0.url, apiKey: 'upstream-key' },
    env: { AUDIT_VAULT_KEYS: `v1:${OLD_SECRET}`, AUDIT_PSEUDONYM_KEY: PSEUDONYM_KEY },
  });
  admin = await rig.token('acme', 'admin', 'ada');
  auditor = await rig.token('acme', 'auditor', 'audrey');
  reader = await rig.token('acme', 'agent-reader', 'rita');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const list = (user: string, headers = {}) =>
  rig.call('GET', `/memories?user_id=${user}`, reader, undefined, { 'user-agent': 'tests/1.0', ...headers });
const audit = (query: string, token = auditor) => rig.call('GET', `/governance/v1/audit?${query}`, token);

/** The tokens that the record of a request names. */
async function recordOf(answer: { readonly headers: Headers }) {
  const place = answer.headers.get('audit-record')!.split(';')[0]!;
  const { json } = await rig.call('GET', `/governance/v1/audit/${place}`, auditor);
  return { place, text: json.canonical as string, record: JSON.parse(json.canonical) };
}

const copies = (token: string) =>
  withTenant(rig.database.url('audit_reader'), 'test', 'acme', (read) =>
    read.read<{ kid: string; jwe: string }>('select kid, jwe from audit.personal where token = $1', [token]),
  );

async function eventually<T>(read: () => Promise<T>, enough: (value: T) => boolean): Promise<T> {
  const until = Date.now() + 20_000;
  for (;;) {
    const value = await read();
    if (enough(value) || Date.now() > until) return value;
    await sleep(100);
  }
}

describe('a record', () => {
  it('names a user and a user agent by random tokens, the same ones each time', async () => {
    const one = await recordOf(await list('alice'));
    const two = await recordOf(await list('alice'));
    expect(one.text).not.toMatch(/alice|tests\/1\.0/);
    expect(one.record.resource.ids).toEqual([expect.stringMatching(/^p1\.[A-Za-z0-9_-]{22}$/)]);
    expect(one.record.agent).toMatch(/^p1\./);
    expect(one.record.client).toBe('loopback');
    expect(two.record.resource).toEqual(one.record.resource);
    expect(two.record.agent).toBe(one.record.agent);
  });

  it('of a request that was refused before the gate names no client: anybody could fill the vault', async () => {
    const refused = await recordOf(await rig.call('GET', '/memories?user_id=*', reader));
    expect(refused.record).not.toHaveProperty('agent');
    expect(refused.record).not.toHaveProperty('client');
  });

  it('is found by the value, and resolved for those who ask for it, which is recorded', async () => {
    const made = await recordOf(await list('bob'));
    const [token] = made.record.resource.ids as [string];
    await rig.recorded((records) => records.some(({ resource }) => resource?.ids?.includes(token) === true));
    const found = await audit('resource_id=bob&resolve=true&limit=5');
    ANSWERS['governance.audit.list']!.schema.parse(found.json);
    expect(found.json.records).toHaveLength(1);
    expect(found.json.resolved).toEqual({
      [token]: { kind: 'user_id', value: 'bob' },
      [made.record.agent]: { kind: 'agent', value: 'tests/1.0' },
    });
    expect((await recordOf(found)).record.resource.ids).toContain(token);
    expect((await audit('resource_id=bob')).json).not.toHaveProperty('resolved');
    const one = await rig.call('GET', `/governance/v1/audit/${made.place}?resolve=true`, auditor);
    expect(one.json.resolved[token]).toEqual({ kind: 'user_id', value: 'bob' });
    expect((await audit('resource_id=tests/1.0')).json.records.length).toBeGreaterThan(2);
    expect((await audit('resolve=true', reader)).status).toBe(403);
  });

  it('lies in Postgres as a token, beside a copy that only a key opens', async () => {
    const { record: made } = await recordOf(await list('carol'));
    const [token] = made.resource.ids as [string];
    const [copy] = await eventually(
      () => copies(token),
      (rows) => rows.length > 0,
    );
    expect(JSON.stringify(copy)).not.toContain('carol');
    const env = { AUDIT_READER_URL: rig.database.url('audit_reader'), AUDIT_VAULT_KEYS: `v1:${OLD_SECRET}` };
    const resolved = await runCommand('audit-resolve', ['--tenant', 'acme', token], { env });
    expect([resolved.code, resolved.stdout]).toEqual([0, 'user_id carol\n']);
    const other = await runCommand('audit-resolve', ['--tenant', 'globex', token], { env });
    expect(other.code).toBe(3);
    const wrong = { ...env, AUDIT_VAULT_KEYS: `v1:${SECRET}` };
    expect((await runCommand('audit-resolve', ['--tenant', 'acme', token], { env: wrong })).code).toBe(1);
  });
});

describe('erasing', () => {
  const erase = (...args: string[]) =>
    runCommand('audit-erase', ['--tenant', 'acme', '--gateway', rig.url, ...args], {
      env: { AUDIT_TOKEN: admin },
    });

  it('makes a subject unreadable everywhere, and the log verifies as before', async () => {
    const made = await recordOf(await list('dora'));
    const [token] = made.record.resource.ids as [string];
    await eventually(
      () => copies(token),
      (rows) => rows.length > 0,
    );
    await rig.recorded((records) => records.some(({ resource }) => resource?.ids?.includes(token) === true));

    const dry = await erase('--subject', 'dora');
    expect([dry.code, dry.stderr]).toEqual([0, 'Nothing was changed: add --apply.\n']);
    expect(dry.stdout).toContain(`user_id: ${token} in 1 record`);
    expect(dry.stdout).toMatch(/point-in-time recovery of Durable Objects.*: until 20/);
    expect((await copies(token)).length).toBe(1);

    const done = await erase('--subject', 'dora', '--apply', '--yes', '--json');
    expect(done.code).toBe(0);
    const report = JSON.parse(done.stdout.trim().split('\n').at(-1)!);
    expect(report).toMatchObject({
      dry_run: false,
      copies: 'removed',
      subjects: [{ kind: 'user_id', token }],
    });

    expect(await copies(token)).toEqual([]);
    const after = await rig.call('GET', `/governance/v1/audit/${made.place}?resolve=true`, auditor);
    expect(after.json.canonical).toBe(made.text);
    expect(after.json.resolved).not.toHaveProperty(token);
    expect((await audit('resource_id=dora')).json.records).toEqual([]);
    const again = await recordOf(await list('dora'));
    expect(again.record.resource.ids).not.toContain(token);

    const env = { AUDIT_READER_URL: rig.database.url('audit_reader'), AUDIT_TOKEN: auditor };
    const verified = await runCommand('audit-verify', ['--tenant', 'acme', '--gateway', rig.url], { env });
    expect([verified.code, verified.stdout.trim().split('\n').at(-1)]).toEqual([0, 'good']);
    expect(
      (
        await runCommand('audit-resolve', ['--tenant', 'acme', token], {
          env: { ...env, AUDIT_VAULT_KEYS: `v1:${OLD_SECRET}` },
        })
      ).code,
    ).toBe(3);
  });

  it('is an administrator’s, and its record names the token and not the value', async () => {
    const made = await recordOf(await list('zelda'));
    const body = { value: 'zelda', kind: 'user_id', dry_run: false };
    expect((await rig.call('POST', '/governance/v1/personal/erasures', auditor, body)).status).toBe(403);
    const done = await rig.call('POST', '/governance/v1/personal/erasures', admin, body);
    ANSWERS['governance.personal.erase']!.schema.parse(done.json);
    const { record: own, text } = await recordOf(done);
    expect(own.resource.ids).toEqual(made.record.resource.ids);
    expect(text).not.toContain('zelda');
    const once = await rig.call('POST', '/governance/v1/personal/erasures', admin, body);
    expect(once.json.subjects).toEqual([]);
  });

  it('takes the value out of the object’s files, too', async () => {
    await list('freda-the-one-and-only');
    await erase('--subject', 'freda-the-one-and-only', '--apply', '--yes');
    const files = await readdir(join(rig.dir, 'objects'), { recursive: true, withFileTypes: true });
    for (const file of files.filter((each) => each.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name));
      expect(bytes.includes('freda-the-one'), file.name).toBe(false);
    }
  });

  it('says when the database could not be reached, and removes the copy when it can', async () => {
    const { record: made } = await recordOf(await list('gina'));
    const [token] = made.resource.ids as [string];
    await eventually(
      () => copies(token),
      (rows) => rows.length > 0,
    );
    await rig.neon.stop();
    const done = await erase('--subject', 'gina', '--apply', '--yes');
    expect(done.code).toBe(3);
    await rig.restartNeon();
    expect(
      await eventually(
        () => copies(token),
        (rows) => rows.length === 0,
      ),
    ).toEqual([]);
  });

  it('asks, and says what is wrong with the question', async () => {
    expect((await erase('--subject', 'x', '--apply')).stderr).toContain('There is no terminal to ask at');
    expect((await erase()).code).toBe(2);
    expect(await erase('--subject', 'x', '--kind', 'ghost')).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('--kind is one of user_id,') },
    });
  });
});

describe('pseudonyms of before there were tokens', () => {
  it('are found by value until their key is retired', async () => {
    const [id, key] = PSEUDONYM_KEY.split(':') as [string, string];
    const old = pseudonymOf({ id, key: Buffer.from(key, 'base64url') }, 'acme', {
      kind: 'user_id',
      value: 'olga',
    });
    const theirs = pseudonymOf({ id, key: Buffer.from(key, 'base64url') }, 'globex', {
      kind: 'user_id',
      value: 'olga',
    });
    const writer = await rig.database.as('audit_writer');
    await append(writer, 'acme~7~1', 0, [record('acme~7~1', 0, { resource: { ids: [old] } })]);
    await append(writer, 'globex~7~1', 0, [record('globex~7~1', 0, { resource: { ids: [theirs] } })]);
    await writer.end();
    expect((await audit('resource_id=olga')).json.records).toHaveLength(1);
    const body = { value: 'olga', dry_run: true };
    const plan = await rig.call('POST', '/governance/v1/personal/erasures', admin, body);
    expect(plan.json).toMatchObject({ subjects: [], pseudonyms: { key: 'k1', records: 1 } });
    const said = await runCommand(
      'audit-erase',
      ['--tenant', 'acme', '--gateway', rig.url, '--subject', 'olga'],
      {
        env: { AUDIT_TOKEN: admin },
      },
    );
    expect(said.stdout).toContain(
      'As a pseudonym in 1 record: whoever has the key k1 can still confirm a guess.',
    );
    const retire = [
      '--tenant',
      'acme',
      '--gateway',
      rig.url,
      '--retire-pseudonym-key',
      'k1',
      '--apply',
      '--yes',
    ];
    const { code, stdout } = await runCommand('audit-erase', retire, { env: { AUDIT_TOKEN: admin } });
    expect(code).toBe(0);
    expect(stdout).toContain('npx wrangler secret delete AUDIT_PSEUDONYM_KEY');
    expect((await audit('resource_id=olga')).json.records).toEqual([]);
    // It is their administrator's to end the search in globex's records.
    const other = await rig.token('globex', 'auditor', 'otto');
    expect((await audit('resource_id=olga', other)).json.records).toHaveLength(1);
  });
});

describe('another key', () => {
  it('encrypts everything again in the background, under the same tokens', async () => {
    const { record: made } = await recordOf(await list('hanna'));
    const [token] = made.resource.ids as [string];
    await eventually(
      () => copies(token),
      (rows) => rows.length > 0,
    );
    await rig.restartGateway({ AUDIT_VAULT_KEYS: `v2:${SECRET} v1:${OLD_SECRET}` });
    expect((await recordOf(await list('hanna'))).record.resource.ids).toEqual([token]);
    const [copy] = await eventually(
      () => copies(token),
      (rows) => rows[0]?.kid === 'v2',
    );
    expect(copy!.kid).toBe('v2');
    await rig.restartGateway({ AUDIT_VAULT_KEYS: `v2:${SECRET}` });
    expect((await recordOf(await list('hanna'))).record.resource.ids).toEqual([token]);
  });

  it('is taken out again and put back, and a value that has two tokens since keeps both until it is erased', async () => {
    const used = async () => (await recordOf(await list('ivy'))).record.resource.ids[0] as string;
    const both = `v3:${randomBytes(32).toString('base64url')} v2:${SECRET}`;
    await rig.restartGateway({ AUDIT_VAULT_KEYS: both });
    const first = await used();
    await rig.restartGateway({ AUDIT_VAULT_KEYS: `v2:${SECRET}` });
    const second = await used();
    expect(second).not.toBe(first);
    const kids = async () =>
      (await Promise.all([first, second].map(copies))).map((rows) => rows[0]?.kid ?? null);
    await eventually(kids, ([, kid]) => kid === 'v2');

    await rig.restartGateway({ AUDIT_VAULT_KEYS: both });
    expect(await used()).toBe(first);
    const moved = await eventually(kids, (all) => all.every((kid) => kid === 'v3'));
    expect(moved).toEqual(['v3', 'v3']);
    expect(await used()).toBe(first);

    const erased = await rig.call('POST', '/governance/v1/personal/erasures', admin, {
      value: 'ivy',
      dry_run: false,
    });
    ANSWERS['governance.personal.erase']!.schema.parse(erased.json);
    expect(erased.json.copies).toBe('removed');
    expect(erased.json.subjects.map(({ token }: { token: string }) => token)).toEqual([first, second]);
    expect(await kids()).toEqual([null, null]);
  });
});
