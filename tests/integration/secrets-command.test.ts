import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatSignerKey, parseSignerKey, signerKey } from '../../core/note.ts';
import { runCommand, type StandIn, standIn } from './doctor-rig.ts';

const PASSWORD = 'hunter2-of-postgres';
const SECRETS = {
  MEM0_ORIGIN: 'https://mem0-hunter2.example.com',
  MEM0_API_KEY: 'hunter2-of-mem0',
  AUDIT_WRITER_URL: `postgresql://audit_writer:${PASSWORD}@db.example.com/audit`,
  AUDIT_READER_URL: `postgresql://audit_reader:${PASSWORD}@db.example.com/audit`,
  AUDIT_VAULT_KEYS: `v1:${Buffer.from('hunter2'.repeat(5)).toString('base64url')}`,
  AUDIT_SIGNING_KEY: formatSignerKey(signerKey('audit.example.com', Buffer.from('hunter2!'.repeat(4)))),
};
const NAMES = Object.keys(SECRETS);
const DOTENV = Object.entries(SECRETS)
  .map(([name, value]) => `${name}=${value}\n`)
  .join('');

let wrangler: StandIn;
let dir: string;
beforeAll(async () => {
  wrangler = await standIn();
});
beforeEach(async () => {
  await wrangler.answer({});
  dir = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterEach(() => rm(dir, { recursive: true }));
afterAll(() => wrangler.remove());

const secrets = async (args: string[], input?: string) => {
  const env = { ...wrangler.env, TMPDIR: dir };
  const ran = await runCommand('secrets', args, { env, ...(input === undefined ? {} : { input }) });
  // Nothing but the names is printed, whatever was done.
  for (const value of Object.values(SECRETS)) expect(ran.stdout + ran.stderr).not.toContain(value);
  expect(ran.stdout + ran.stderr).not.toContain('hunter2');
  return ran;
};

describe('npm run secrets', () => {
  it.each([
    ['NAME=value lines', DOTENV],
    ['JSON', JSON.stringify(SECRETS)],
  ])('gives all to wrangler by its standard input only, from %s', async (_what, input) => {
    const { code, stdout } = await secrets(['--stdin'], input);
    expect({ code, stdout }).toEqual({ code: 0, stdout: NAMES.map((name) => `set ${name}\n`).join('') });
    const calls = await wrangler.calls();
    expect(calls.map(({ args }) => args)).toEqual([
      ['secret', 'bulk', '--config', 'wrangler.toml', '--env='],
    ]);
    expect(JSON.parse(calls[0]!.stdin)).toEqual(SECRETS);
    for (const value of Object.values(SECRETS)) {
      expect(calls[0]!.args.join()).not.toContain(value);
      expect(calls[0]!.env.join()).not.toContain(value);
    }
    expect(await readdir(dir)).toEqual([]);
  });

  it('reads a file, and sets what --only names', async () => {
    const file = join(dir, 'secrets.env');
    await writeFile(file, DOTENV);
    const ran = await secrets(['--file', file, '--only', 'MEM0_API_KEY', '--only', 'MEM0_ORIGIN']);
    expect(ran.stdout).toBe('set MEM0_ORIGIN\nset MEM0_API_KEY\n');
    const { MEM0_API_KEY, MEM0_ORIGIN } = SECRETS;
    expect(JSON.parse((await wrangler.calls())[0]!.stdin)).toEqual({ MEM0_ORIGIN, MEM0_API_KEY });
  });

  it('does not hand the environment variables of the same names on', async () => {
    await runCommand('secrets', ['--stdin'], { env: { ...wrangler.env, ...SECRETS }, input: DOTENV });
    expect((await wrangler.calls())[0]!.env.join()).not.toContain('hunter2');
  });

  it.each([
    ['a value as an argument', ['MEM0_API_KEY=hunter2'], undefined, 2],
    ['a value as an option', ['--MEM0_API_KEY=hunter2'], undefined, 2],
    ['a value for a name', ['--only', 'hunter2'], undefined, 2],
    ['a secret that cannot be made', ['--generate', 'MEM0_API_KEY'], undefined, 2],
    ['two sources', ['--stdin', '--file', 'x'], '', 2],
    ['no source', [], undefined, 2],
    ['an empty one', ['--stdin'], '', 1],
    ['a value without a name', ['--stdin'], 'hunter2==\n', 1],
    ['a name that is no secret', ['--stdin'], 'RATE_LIMIT_REQUESTS=1\n', 1],
    ['broken JSON', ['--stdin'], '{"MEM0_API_KEY":"hunter2', 1],
    ['a value that is no text', ['--stdin'], '{"MEM0_API_KEY":{"hunter2":1}}', 1],
    ['a bad value', ['--stdin'], 'MEM0_API_KEY="hunter2 hunter2"\n', 1],
    ['a plain http origin', ['--stdin'], 'MEM0_ORIGIN=http://hunter2.example.com\n', 1],
  ])('refuses %s in one go, and calls nobody', async (_what, args, input, code) => {
    const ran = await secrets(args, input);
    expect(ran.code).toBe(code);
    expect(ran.stdout).toBe('');
    expect(await wrangler.calls()).toEqual([]);
  });

  it('checks and sets nothing with --dry-run', async () => {
    expect((await secrets(['--stdin', '--dry-run', '--json'], DOTENV)).stdout).toBe(
      `${JSON.stringify({ valid: NAMES })}\n`,
    );
    expect(await wrangler.calls()).toEqual([]);
  });

  const generate = ['--only', 'AUDIT_VAULT_KEYS', '--generate', 'AUDIT_VAULT_KEYS'];

  it('makes a key that it does not show', async () => {
    await wrangler.answer({ 'secret list': { stdout: '[]' } });
    const { stdout } = await secrets(generate);
    const made = JSON.parse((await wrangler.calls())[1]!.stdin).AUDIT_VAULT_KEYS as string;
    expect(made).toMatch(/^v\d{8}:[A-Za-z0-9_-]{43}$/);
    expect(stdout).toBe('set AUDIT_VAULT_KEYS\n');
  });

  it('replaces a key that nobody can read back only when told to', async () => {
    await wrangler.answer({
      'secret list': { stdout: '[{"name":"AUDIT_VAULT_KEYS","type":"secret_text"}]' },
    });
    expect((await secrets(generate)).stderr).toContain('add --replace');
    expect((await wrangler.calls()).map(({ args }) => args[1])).toEqual(['list']);
    expect((await secrets([...generate, '--replace'])).code).toBe(0);
  });

  it('makes a signing key for the origin in [vars], and none without', async () => {
    const key = ['--only', 'AUDIT_SIGNING_KEY', '--generate', 'AUDIT_SIGNING_KEY'];
    expect((await secrets(key)).stderr).toContain('Set AUDIT_ORIGIN in [vars] first');
    await wrangler.answer({ 'secret list': { stdout: '[]' } });
    const config = join(dir, 'wrangler.toml');
    await cp('config', join(dir, 'config'), { recursive: true });
    await writeFile(config, 'name = "gateway"\n[vars]\nAUDIT_ORIGIN = "audit.example.com"\n');
    expect((await secrets([...key, '--config', config])).stdout).toBe('set AUDIT_SIGNING_KEY\n');
    const made = JSON.parse((await wrangler.calls())[1]!.stdin).AUDIT_SIGNING_KEY as string;
    expect(parseSignerKey(made)?.verifier.name).toBe('audit.example.com');
  });

  it('fails with wrangler, whatever wrangler repeats', async () => {
    await wrangler.answer({ 'secret bulk': { code: 1, stderr: `bad: ${JSON.stringify(SECRETS)}` } });
    const { code, stderr } = await secrets(['--stdin'], DOTENV);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^wrangler failed: [^\n]*\n$/);
  });
});
