import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly [member: string]: unknown;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOCK = join(ROOT, 'package-lock.json');

const OS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** The platform that a package of native code is named after. `undefined`: its name says none. */
function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } | undefined {
  const words = name.replace('windows', 'win32').split(/[/-]/);
  const os = OS.filter((word) => words.includes(word));
  const cpu = CPU.filter((word) => words.includes(word) || (word === 'x64' && words.includes('64')));
  if (os.length !== 1 || cpu.length !== 1) return undefined;
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.includes('gnu')
      ? ['glibc']
      : [];
  return { os, cpu, ...(libc.length > 0 ? { libc } : {}) };
}

/** Adds what is missing; returns the names. */
function complete(packages: { [path: string]: Locked }): string[] {
  const added: string[] = [];
  for (const { optionalDependencies = {}, dev } of Object.values({ ...packages })) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const path = `node_modules/${name}`;
      const platform = platformOf(name);
      const present = Object.keys(packages).some((key) => key === path || key.endsWith(`/${path}`));
      if (present || !platform || !/^\d+\.\d+\.\d+/.test(version)) continue;
      packages[path] = { version, ...platform, ...(dev ? { dev } : {}), optional: true };
      added.push(name);
    }
  }
  return added;
}

/**
 * A package that ships its binaries says `gypfile: false`, so that npm does not compile it. `npm ci` goes by the
 * lock file and not by package.json, so it has to be said there, too.
 */
async function markPrebuilt(packages: { [path: string]: Locked }): Promise<string[]> {
  const marked: string[] = [];
  for (const [path, locked] of Object.entries(packages)) {
    if (path === '' || locked.gypfile === false) continue;
    const text = await readFile(join(ROOT, path, 'package.json'), 'utf8').catch(() => '{}');
    if ((JSON.parse(text) as { gypfile?: unknown }).gypfile !== false) continue;
    packages[path] = { ...locked, gypfile: false };
    marked.push(path.replace('node_modules/', ''));
  }
  return marked;
}

await command({
  usage: 'npm run lock --',
  summary:
    'Completes package-lock.json after `npm install`: npm leaves out packages of other platforms that its registry could not show it, and `npm ci` then refuses the file; and it would compile packages that ship their binaries.',
  options: { check: { type: 'boolean', help: 'change nothing; fail when something is missing' } },
  run: async (values, _positionals, io) => {
    const lock = JSON.parse(await readFile(LOCK, 'utf8')) as { packages: { [path: string]: Locked } };
    const added = complete(lock.packages);
    const marked = await markPrebuilt(lock.packages);
    if (values.check === true) {
      if (added.length + marked.length > 0)
        throw new CommandError(`Missing: ${[...added, ...marked].join(', ')}.`);
      return 0;
    }
    const [root = ['', {}], ...rest] = Object.entries(lock.packages);
    lock.packages = Object.fromEntries([root, ...rest.sort(([a], [b]) => a.localeCompare(b, 'en'))]);
    await writeFile(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
    if (io.json) io.out(JSON.stringify({ added, marked }));
    else
      io.out(
        `Added: ${added.join(', ') || 'nothing'}. Marked as prebuilt: ${marked.join(', ') || 'nothing'}.`,
      );
    return 0;
  },
});
