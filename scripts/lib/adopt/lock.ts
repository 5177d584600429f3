import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { CommandError } from '../command.ts';

/**
 * Takes a lock file that holds this process' number; one that was left behind by a process that is gone is taken over.
 * @returns what gives it back.
 * @throws CommandError when a process that is alive holds it.
 */
export function lock(path: string): () => void {
  const own = `${path}.${process.pid}`;
  // A link is there with its content or not at all: nobody reads a lock that has no number in it yet.
  writeFileSync(own, String(process.pid), { mode: 0o600 });
  try {
    if (!linked(own, path)) {
      takeAway(path, `${own}.stale`);
      if (!linked(own, path)) throw held(path, holderOf(path));
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(path, { force: true });
}

function takeAway(path: string, stale: string): void {
  const holder = holderOf(path);
  if (holder !== undefined && isAlive(holder)) throw held(path, holder);
  try {
    renameSync(path, stale);
  } catch {
    // Somebody else took it away, or it was given back.
    return;
  }
  const moved = holderOf(stale);
  const isTheirs = moved !== undefined && moved !== holder;
  // Between the look and the renaming another run took it over: that one's is put back.
  if (isTheirs) linked(stale, path);
  rmSync(stale, { force: true });
  if (isTheirs) throw held(path, moved);
}

function held(path: string, holder: number | undefined): CommandError {
  return new CommandError(
    `Another run (process ${holder ?? 'unknown'}) holds ${path}. If no such run is there, remove that file.`,
  );
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function holderOf(path: string): number | undefined {
  try {
    const holder = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(holder) && holder > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
