import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Kills a process group at once, its leader included. A group that is gone already is no error. */
export function killGroup(leader: number): void {
  if (process.platform === 'win32') {
    try {
      execFileSync('taskkill', ['/pid', String(leader), '/T', '/F'], { stdio: 'ignore' });
    } catch {
      // Gone already.
    }
    return;
  }
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * When a process started, as an opaque text, or `undefined` when no such process runs. A pid is given again after
 * its process ended; together with this it names one process only.
 */
export function startedAt(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  if (existsSync('/proc/self/stat')) {
    try {
      // The second field is the program's name in brackets and may hold anything; fields count from behind it.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ');
      // A zombie runs no more; it only waits for its parent to notice.
      return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  if (process.platform === 'win32') return 'running';
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
