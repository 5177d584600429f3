import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { command } from './lib/command.ts';

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly [member: string]: unknown;
}

const LOCK = fileURLToPath(new URL('../package-lock.json', import.meta.url));

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

await command({
  usage: 'npm run lock --',
  summary:
    'Completes package-lock.json after `npm install`: npm leaves out packages of other platforms that its registry could not show it, and `npm ci` then refuses the file.',
  run: async (_values, _positionals, io) => {
    const lock = JSON.parse(await readFile(LOCK, 'utf8')) as { packages: { [path: string]: Locked } };
    const added = complete(lock.packages);
    const [root = ['', {}], ...rest] = Object.entries(lock.packages);
    lock.packages = Object.fromEntries([root, ...rest.sort(([a], [b]) => a.localeCompare(b, 'en'))]);
    await writeFile(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
    if (io.json) io.out(JSON.stringify({ added }));
    else
      io.out(
        added.length === 0 ? 'package-lock.json is complete.' : `Added ${added.length}: ${added.join(', ')}`,
      );
    return 0;
  },
});
