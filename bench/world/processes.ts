import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own clock (USER_HZ). */
const TICK_MS = 10;

const HAS_PROC = existsSync('/proc/self/stat');

/** Behind the program's name, which stands in brackets and may hold anything: field 3 of proc(5) is the first. */
function fields(pid: number): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
}

function ps(...args: string[]): string {
  return execFileSync('ps', args, { encoding: 'utf8' });
}

/** Milliseconds of CPU that a process has used, all its threads and the kernel on its behalf; exact to 10. */
export function cpuMs(pid: number): number {
  if (!HAS_PROC) return readTime(ps('-o', 'time=', '-p', String(pid)));
  const all = fields(pid);
  return (Number(all[11]) + Number(all[12])) * TICK_MS;
}

/** The same of the threads that there are, exact to a microsecond where the kernel says so. */
export function threadsCpuMs(pid: number): number {
  if (!HAS_PROC) return cpuMs(pid);
  const threads = readdirSync(`/proc/${pid}/task`).map((task) => {
    return Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  });
  return threads.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}

/** A time as ps writes it, `[[days-]hours:]minutes:seconds[.hundredths]`, in milliseconds. */
export function readTime(text: string): number {
  const [days, clock] = text.includes('-') ? text.trim().split('-') : ['0', text.trim()];
  const seconds = clock!.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}

/** Bytes of memory that a process's own or mapped pages take now; 0 when it has ended. */
export function residentBytes(pid: number): number {
  try {
    if (!HAS_PROC) return Number(ps('-o', 'rss=', '-p', String(pid))) * 1024;
    // One that has ended and was not waited for yet has no such line.
    const [, kilobytes = 0] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return 0;
  }
}

/**
 * The process of this program in a process group.
 * @throws Error when there is none, or more than one.
 */
export function inGroup(group: number, program: string): number {
  const found = processes().filter((one) => one.group === group && one.program === program);
  if (found.length !== 1) throw new Error(`${found.length} processes of ${program} in group ${group}`);
  return found[0]!.pid;
}

function processes(): { readonly pid: number; readonly group: number; readonly program: string }[] {
  if (HAS_PROC) {
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        const program = readFileSync(`/proc/${name}/comm`, 'utf8').trim();
        return [{ pid: Number(name), group: Number(fields(Number(name))[2]), program }];
      } catch {
        // It ended while the list was read.
        return [];
      }
    });
  }
  return ps('-A', '-o', 'pid=,pgid=,comm=')
    .trim()
    .split('\n')
    .map((line) => {
      const [, pid, group, program] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)!;
      return { pid: Number(pid), group: Number(group), program: basename(program!) };
    });
}

/** Where processes run: on the core that is measured, or on the others. */
export type Side = 'measured' | 'others';

/** Whether processes can be kept apart: on Linux, with two cores or more. */
export function canPin(): boolean {
  return process.platform === 'linux' && coreCount() > 1;
}

/**
 * Binds a process, its threads and all that it starts from now on to its side's cores, where that can be done.
 * @throws Error when taskset fails.
 */
export function pin(pid: number, side: Side): void {
  if (!canPin()) return;
  const list = side === 'measured' ? '0' : `1-${coreCount() - 1}`;
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(pid)], { stdio: 'ignore' });
}

let cores: number | undefined;

/** Cores of the machine, asked before anything is pinned. */
export function coreCount(): number {
  cores ??= availableParallelism();
  return cores;
}
