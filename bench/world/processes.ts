import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { CommandError } from '../../scripts/lib/command.ts';

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own clock (USER_HZ). */
const TICK_MS = 10;

/** Behind the program's name, which stands in brackets and may hold anything: field 3 of proc(5) is the first. */
function fields(pid: number): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
}

/** Milliseconds of CPU that a process has used, all its threads and the kernel on its behalf; exact to 10. */
export function cpuMs(pid: number): number {
  const all = fields(pid);
  return (Number(all[11]) + Number(all[12])) * TICK_MS;
}

/** Bytes of memory that are a process's own or mapped by it now. */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/**
 * The process of this program in a process group.
 * @throws Error when there is none, or more than one.
 */
export function inGroup(group: number, program: string): number {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          fields(pid)[2] === String(group) && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === program
        );
      } catch {
        return false;
      }
    });
  if (found.length !== 1) throw new Error(`${found.length} processes of ${program} in group ${group}`);
  return found[0]!;
}

/** Where processes run: on the core that is measured, or on the others. */
export type Side = 'measured' | 'others';

/**
 * Binds a process, its threads and all that it starts from now on to its side's cores.
 * Does nothing on a machine of one core. @throws Error when taskset fails.
 */
export function pin(pid: number, side: Side): void {
  const cores = coreCount();
  if (cores < 2) return;
  execFileSync(
    'taskset',
    ['--all-tasks', '--cpu-list', '--pid', side === 'measured' ? '0' : `1-${cores - 1}`, String(pid)],
    {
      stdio: 'ignore',
    },
  );
}

let cores: number | undefined;

/** Cores of the machine, asked before anything is pinned. */
export function coreCount(): number {
  cores ??= availableParallelism();
  return cores;
}

/** @throws CommandError on a system that does not say what a process costs. */
export function requireLinux(): void {
  if (process.platform !== 'linux') {
    throw new CommandError('The bench reads CPU time from /proc and needs Linux.');
  }
}
