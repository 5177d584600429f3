import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from '../../scripts/lib/command.ts';
import { SUPERVISOR } from './supervise.ts';

/** Milliseconds that a postmaster is given to end: long enough for a shutdown checkpoint. */
export const STOP_MS = 10_000;

/** How long a postmaster may take to begin to stop after its run was killed. */
const NOTICE_MS = 1_000;

/** What the postmaster's own file says: its process id in line 1, its state in line 8. */
export function postmasterFile(data: string): { readonly pid: number; readonly state: string } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), state: lines[7]?.trim() ?? '' };
  } catch {
    return undefined;
  }
}

/**
 * Makes way for a new postmaster over `data`. One that a killed run left behind is stopped, and only if it is the
 * postmaster of this very folder; one that another run still owns is not touched.
 *
 * @throws CommandError when another run owns it, or it will not end.
 */
export async function clearStale(data: string, log: (line: string) => void): Promise<void> {
  const file = postmasterFile(data);
  if (file === undefined) return;
  const running = () => isPostmaster(file.pid, data);
  // Its supervisor may be stopping it at this moment.
  const since = Date.now();
  const mayEnd = () => (postmasterFile(data)?.state === 'stopping' ? STOP_MS : NOTICE_MS);
  while (running() && supervised(file.pid) && Date.now() < since + mayEnd()) await sleep(50);
  if (running() && supervised(file.pid)) {
    throw new CommandError(`The database in ${data} is in use by process ${file.pid}: stop that run first.`);
  }
  if (running()) {
    log(`stopping the database that an earlier run left behind (process ${file.pid})`);
    await end(file.pid, running);
    if (running()) throw new CommandError(`Process ${file.pid} holds ${data} and does not end: kill it.`);
  }
  rmSync(join(data, 'postmaster.pid'), { force: true });
}

/** Ends the postmaster of `data`, if there is one: politely, then by force. */
export async function endPostmaster(data: string): Promise<void> {
  const file = postmasterFile(data);
  if (file) await end(file.pid, () => isPostmaster(file.pid, data));
}

async function end(pid: number, running: () => boolean): Promise<void> {
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    if (!running()) return;
    process.kill(pid, signal);
    for (const until = Date.now() + STOP_MS; running() && Date.now() < until; ) await sleep(50);
  }
}

function isPostmaster(pid: number, data: string): boolean {
  return commandLine(pid)?.includes(`postgres -D ${data} `) ?? false;
}

function supervised(pid: number): boolean {
  const parent = parentOf(pid);
  return parent !== undefined && (commandLine(parent)?.includes(SUPERVISOR) ?? false);
}

/** What a process was started with; `undefined` for none and for one that has ended. */
export function commandLine(pid: number): string | undefined {
  if (!existsSync('/proc/self/cmdline')) return ps('command=', pid);
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') || undefined;
  } catch {
    return undefined;
  }
}

export function parentOf(pid: number): number | undefined {
  try {
    const parent = existsSync('/proc/self/status')
      ? /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      : ps('ppid=', pid);
    return parent === undefined ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

function ps(column: string, pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
