import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startedAt } from '../process.ts';

/** The process that holds a lock. A pid alone may have been given again; with the start time it is one process. */
export interface Holder {
  readonly pid: number;
  readonly started: string;
}

export type LockResult =
  | { readonly ok: true; readonly stale: boolean; release(): Promise<void> }
  | { readonly ok: false; readonly holder: Holder };

/**
 * A lock is a folder of numbered files, and the highest number counts: it names the holder, or nobody when it was
 * released. Whoever finds a holder that runs no more makes the next number, as a hard link, which appears whole
 * and for one process only. The highest file is never removed, so no number is ever made twice.
 *
 * Takes the lock for this process, or says who holds it; `stale` when its last holder ended without releasing it.
 */
export async function takeLock(dir: string): Promise<LockResult> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const own = join(dir, randomUUID());
  const holder: Holder = { pid: process.pid, started: startedAt(process.pid) ?? '' };
  await writeFile(own, JSON.stringify(holder), { mode: 0o600 });
  try {
    for (;;) {
      const { number, holder: found, released } = await latest(dir);
      if (found !== undefined && isRunning(found)) return { ok: false, holder: found };
      const file = join(dir, String(number + 1));
      if (!(await linked(own, file))) continue;
      // Numbers were made and removed while this one was chosen: it came too late.
      if ((await latest(dir)).number !== number + 1) {
        await rm(file, { force: true });
        continue;
      }
      await removeBelow(dir, number + 1);
      return { ok: true, stale: number > 0 && !released, release: () => release(file) };
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** The process that holds the lock now, if one does. */
export async function lockHolder(dir: string): Promise<Holder | undefined> {
  const { holder } = await latest(dir);
  return holder !== undefined && isRunning(holder) ? holder : undefined;
}

const RELEASED = '"released"';

async function release(file: string): Promise<void> {
  const part = `${file}.${randomUUID()}`;
  try {
    await writeFile(part, RELEASED, { mode: 0o600 });
    await rename(part, file);
  } catch (error) {
    // The whole folder has been removed.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

interface Latest {
  /** 0: the lock was never taken. */
  readonly number: number;
  readonly holder: Holder | undefined;
  readonly released: boolean;
}

async function latest(dir: string): Promise<Latest> {
  const number = Math.max(0, ...(await numbers(dir)));
  let text = '';
  try {
    text = await readFile(join(dir, String(number)), 'utf8');
  } catch {
    // Never taken, or removed because a higher one was made: making the next one will tell.
  }
  return { number, holder: parseHolder(text), released: text === RELEASED };
}

async function numbers(dir: string): Promise<number[]> {
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => /^[1-9]\d*$/.test(name)).map(Number);
}

async function removeBelow(dir: string, number: number): Promise<void> {
  for (const lower of await numbers(dir)) {
    if (lower < number) await rm(join(dir, String(lower)), { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isRunning({ pid, started }: Holder): boolean {
  return startedAt(pid) === started;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (!Number.isInteger(value?.pid) || typeof value?.started !== 'string') return undefined;
    return { pid: value.pid as number, started: value.started };
  } catch {
    return undefined;
  }
}
