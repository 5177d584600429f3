import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandError } from '../../scripts/lib/command.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Whom Postgres runs as: `undefined` is this process's own user. Postgres refuses root, and its initdb wants a
 * user that the system knows by name, so root gives way to `nobody`.
 *
 * @throws CommandError when this is root and there is no such user.
 */
export function databaseUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === 'nobody');
  if (!fields) {
    throw new CommandError(
      'Postgres will not run as root and there is no user `nobody`: run as another user.',
    );
  }
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Whether the user may pass through every folder down to `path`, by the folders' modes. */
export function reaches(user: User | undefined, path: string): boolean {
  if (user === undefined) return true;
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const execute = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & execute) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/**
 * The folder of a checkout's database: `.local/postgres` in it or, where the database's user cannot reach the
 * checkout, a folder in the system's temporary folder that is named after the checkout's path.
 */
export function databaseDir(root: string, user = databaseUser()): string {
  const local = join(root, '.local');
  if (reaches(user, existsSync(local) ? local : root)) return join(local, 'postgres');
  const name = createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 16);
  return join(tmpdir(), `mem0-governance-${name}`);
}
