import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CommandError } from '../../scripts/lib/command.ts';
import { reaches, type User } from './user.ts';

/** How the database's programs are run: in the database's folder, with nothing of our environment. */
export interface Run {
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  readonly user: User | undefined;
}

/**
 * Makes the database's folder, mode 0700, of the user that Postgres runs as.
 *
 * @throws CommandError when somebody else's folder is in its place, or that user cannot reach it.
 */
export async function prepareFolder(dir: string, user: User | undefined): Promise<void> {
  await mkdir(dirname(dir), { recursive: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const found = await lstat(dir);
  const owners = [process.getuid?.() ?? found.uid, user?.uid];
  if (!found.isDirectory() || !owners.includes(found.uid)) {
    throw new CommandError(`${dir} is not a folder of ours: remove it, or have its owner remove it.`);
  }
  await chmod(dir, 0o700);
  if (user) await chown(dir, user.uid, user.gid);
  if (!reaches(user, dir)) {
    throw new CommandError(
      `User ${user?.uid}, whom Postgres runs as, cannot reach ${dir}: choose another folder.`,
    );
  }
}

/** Makes the database's files in `data` unless they are there. */
export async function initialise(
  data: string,
  initdb: string,
  password: string,
  run: Run,
  durable: boolean,
): Promise<void> {
  if (await lstat(join(data, 'PG_VERSION')).catch(() => undefined)) return;
  // Made beside its place and renamed when complete, so that a start that was broken off is simply repeated.
  const part = `${data}.part`;
  const secret = join(run.cwd, 'initdb.password');
  await rm(part, { recursive: true, force: true });
  await writeFile(secret, password, { mode: 0o600 });
  try {
    if (run.user) await chown(secret, run.user.uid, run.user.gid);
    const args = ['-D', part, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', secret];
    args.push('-E', 'UTF8', '--locale=C', ...(durable ? [] : ['--no-sync']));
    await promisify(execFile)(initdb, args, { cwd: run.cwd, env: run.env, ...run.user });
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new CommandError(
      `The database could not be made in ${data}: ${reason || (error as Error).message}`,
    );
  } finally {
    await rm(secret, { force: true });
  }
  await rename(part, data);
}

/**
 * The passwords of a database folder, by role, in one file that only its owner reads. A role's password is minted
 * when it is first asked for.
 */
export function passwordFile(path: string): (role: string) => string {
  return (role) => {
    const known = readKnown(path);
    const there = known.get(role);
    if (there !== undefined) return there;
    const password = randomBytes(24).toString('base64url');
    // Renamed when written, so that it is never cut short.
    writeFileSync(`${path}.part`, JSON.stringify([...known, [role, password]]), { mode: 0o600 });
    renameSync(`${path}.part`, path);
    return password;
  };
}

function readKnown(path: string): Map<string, string> {
  try {
    return new Map(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new CommandError(`${path} cannot be read (${(error as Error).message}): clear the local state.`);
  }
}
