import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { CommandError } from '../../scripts/lib/command.ts';
import { databaseDir } from '../postgres.ts';
import { statePaths } from './info.ts';
import { takeLock } from './lock.ts';

/**
 * Removes all local state of a checkout as one, and returns the folders removed. The lock is held meanwhile, so
 * that no stack starts over half of it.
 *
 * @throws CommandError while the stack runs.
 */
export async function clearState(root: string): Promise<string[]> {
  const { local, lock: file } = statePaths(root);
  const hadLocal = existsSync(local);
  const lock = await takeLock(file);
  if (!lock.ok) {
    const { pid } = lock.holder;
    throw new CommandError(
      `The stack runs (process ${pid}): stop it with Ctrl-C there, or \`kill ${pid}\`, then reset.`,
    );
  }
  // Where the database lies depends on `.local`, which the lock has made by now.
  const database = databaseDir(root);
  const cleared = [...(existsSync(database) ? [database] : []), ...(hadLocal ? [local] : [])];
  // The lock lies in the last folder: it goes when all else has gone.
  for (const folder of [database, local]) await rm(folder, { recursive: true, force: true });
  return cleared;
}
