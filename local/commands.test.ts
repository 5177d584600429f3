import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isPortFree } from './ports.ts';
import { startedAt } from './process.ts';
import type { StackInfo } from './stack/info.ts';
import { shiftedPorts } from './stack/ports.ts';
import { clearState } from './stack/reset.ts';

/** `start`, `token` and `reset` as they are typed, in a copy of the checkout with a Worker that only answers. */

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
const WORKER = `
export default {
  fetch(request: Request, env: object) {
    return Response.json(Object.keys(env).sort());
  },
};
`;
const WRANGLER_TOML =
  'name = "probe"\nmain = "worker/index.ts"\ncompatibility_date = "2026-10-01"\n[env.dev]\n';

let root: string;
let offset: number;
const children: ChildProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-commands-'));
  for (const folder of ['core', 'local', 'scripts', 'sql'])
    await cp(join(CHECKOUT, folder), join(root, folder), { recursive: true });
  await cp(join(CHECKOUT, 'package.json'), join(root, 'package.json'));
  await cp(join(CHECKOUT, 'package-lock.json'), join(root, 'package-lock.json'));
  await symlink(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'));
  await mkdir(join(root, 'worker'));
  await writeFile(join(root, 'worker', 'index.ts'), WORKER);
  await writeFile(join(root, 'wrangler.toml'), WRANGLER_TOML);
  await mkdir(join(root, 'policies', 'module'), { recursive: true });
  await writeFile(join(root, 'policies', 'edited.rego'), '# newer than the module');
  await writeFile(join(root, 'policies', 'module', 'digests.json'), '{"sources":{"edited.rego":"00"}}');
  do offset = 1000 + Math.floor(Math.random() * 20_000);
  while (!(await allFree()));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});
afterAll(async () => {
  await clearState(root);
  await rm(root, { recursive: true, force: true });
});

async function allFree(): Promise<boolean> {
  return (await Promise.all(Object.values(shiftedPorts(offset)).map(isPortFree))).every(Boolean);
}

interface Run {
  readonly child: ChildProcess;
  readonly output: { out: string; err: string };
  readonly exit: Promise<number | string>;
}
function run(script: string, ...args: string[]): Run {
  const child = spawn(process.execPath, [join(root, 'scripts', 'run.cjs'), script, ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: root },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    output.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.err += chunk;
  });
  return { child, output, exit: once(child, 'close').then(([code, signal]) => code ?? signal) };
}
async function ended(script: string, ...args: string[]) {
  const { exit, output } = run(script, ...args);
  return { code: await exit, ...output };
}
async function started(...args: string[]): Promise<Run & { info: StackInfo }> {
  const begin = Date.now();
  const start = run('start', '--offset', String(offset), ...args);
  const file = join(root, '.local', 'stack.json');
  const ready = () =>
    args.includes('--json') ? start.output.out.endsWith('\n') : start.output.err.includes('Ready in');
  while (!ready()) {
    if (start.child.exitCode !== null) throw new Error(start.output.err);
    if (Date.now() - begin > 20_000) throw new Error('not ready after 20 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { ...start, info: JSON.parse(await readFile(file, 'utf8')) };
}
/** Nothing listens any more and no process of the stack is left. */
async function allGone(info: StackInfo): Promise<boolean> {
  const gone = async () =>
    (await allFree()) && [info.mem0.pid, info.gateway!.pid].every((pid) => startedAt(pid) === undefined);
  for (const until = Date.now() + 15_000; Date.now() < until; ) {
    if (await gone()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
const oneLine = (pattern: RegExp) => new RegExp(`^${pattern.source}\\n$`);

test('without a running stack there is no token, and nothing to reset unasked', async () => {
  expect(await ended('token', '--role', 'admin')).toEqual({
    code: 1,
    out: '',
    err: 'The stack does not run: run `npm start` first.\n',
  });
  expect(await ended('reset')).toEqual({
    code: 1,
    out: '',
    err: 'There is no terminal to ask at: add `--yes` to clear.\n',
  });
  expect(await ended('reset', '--yes')).toMatchObject({ code: 0, out: 'There was no local state.\n' });
});

test.each([
  ['token', []],
  ['token', ['--role', 'root']],
  ['token', ['--role', 'admin', '--tenant', 'initech']],
  ['start', ['--offset', '-1']],
  ['start', ['--offset', 'x']],
  ['reset', ['--no']],
])('%s %j is wrong usage', async (script, args) => {
  expect(await ended(script, ...args)).toMatchObject({ code: 2, out: '' });
});

test('start shows where everything is, tokens come alone, and Ctrl-C leaves nothing', async () => {
  const { info, child, output, exit } = await started();
  expect(output.err).toContain(
    'The policy module is older than edited.rego: run `npm run policy:build`, or decisions stay as they were.\n',
  );
  const gateway = info.gateway!.url;
  for (const address of [gateway, info.identity.issuer, info.mem0.url, info.neon.url, info.database.dir])
    expect(output.out).toContain(address);
  for (const secret of [info.mem0.apiKey, info.auditWriterUrl, info.identity.clients[0]!.secret])
    expect(output.out + output.err).not.toContain(secret);
  for (const role of ['admin', 'agent-writer', 'agent-reader', 'auditor'])
    expect(output.out).toMatch(
      new RegExp(`^curl .*${gateway}/.*\\$\\(npm run -s token -- --role ${role} --tenant acme\\)"$`, 'm'),
    );
  expect(await (await fetch(`${gateway}/`)).json()).toEqual([
    'AUDIT_ORIGIN',
    'AUDIT_READER_URL',
    'AUDIT_SIGNING_KEY',
    'AUDIT_SQL_ENDPOINT',
    'AUDIT_VAULT_KEYS',
    'AUDIT_WRITER_URL',
    'ENVIRONMENT',
    'ISSUERS',
    'MEM0_API_KEY',
    'MEM0_ORIGIN',
    'TRANSPORT',
  ]);

  const token = await ended('token', '--role', 'agent-writer', '--tenant', 'globex');
  expect(token).toMatchObject({ code: 0, err: '' });
  expect(token.out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  expect(decodeJwt(token.out.trim())).toMatchObject({
    tenant_id: 'globex',
    realm_access: { roles: ['agent-writer'] },
  });

  expect(await ended('start', '--offset', String(offset))).toMatchObject({
    code: 1,
    err: expect.stringMatching(oneLine(/The stack runs already \(process \d+\): stop it with .*/)),
  });
  expect(await ended('reset', '--yes')).toMatchObject({
    code: 1,
    err: expect.stringMatching(oneLine(/The stack runs \(process \d+\): stop it with .*/)),
  });

  // A terminal's Ctrl-C arrives twice when npm passes it on.
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect(await exit).toBe(0);
  expect(await allGone(info)).toBe(true);
});

test('kill -9 of the start leaves nothing, and the next one takes over; --json prints one value', async () => {
  const first = await started();
  first.child.kill('SIGKILL');
  expect(await allGone(first.info)).toBe(true);
  expect(await ended('token', '--role', 'admin')).toMatchObject({ code: 1, out: '' });
  const second = await started('--json');
  expect(JSON.parse(second.output.out)).toMatchObject({
    gateway: second.info.gateway!.url,
    warning: expect.stringContaining('older than edited.rego'),
  });
  second.child.kill('SIGTERM');
  expect(await second.exit).toBe(0);
  expect(second.output.err).toBe('');
  expect(await allGone(second.info)).toBe(true);
});

test('a crashed gateway ends the start with one line that names it', async () => {
  const { info, output, exit } = await started();
  process.kill(-info.gateway!.pid, 'SIGKILL');
  expect(await exit).toBe(1);
  expect(output.err).toMatch(
    /\nThe gateway was ended by SIGKILL; .* see \.local\/log\/gateway\.log, then run `npm start` again\.\n$/,
  );
  expect(await allGone(info)).toBe(true);
});

test('Ctrl-C while it starts leaves nothing', async () => {
  const { child, exit, output } = run('start', '--offset', String(offset));
  while (!output.err.includes(' is up')) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill('SIGINT');
  expect(await exit).toBe(130);
  expect(output.err).toMatch(/The start was broken off\.\n$/);
  for (const until = Date.now() + 15_000; !(await allFree()) && Date.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await allFree()).toBe(true);
});

test('reset clears everything', async () => {
  expect(await ended('reset', '--yes')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^Cleared .*\n$/),
  });
  expect(existsSync(join(root, '.local'))).toBe(false);
});
