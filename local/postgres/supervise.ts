import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface SupervisedProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  /** Whom the program runs as; absent: as this process. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** What asks the program to end. */
  readonly stopSignal: NodeJS.Signals;
  /** Milliseconds after which it is killed when asking did not help. */
  readonly graceMs: number;
}

/** The supervisor's own file; a process list names it. */
export const SUPERVISOR = fileURLToPath(new URL('./supervisor.ts', import.meta.url));

/**
 * Starts a program under a supervisor in a session of its own: a Ctrl-C in the terminal does not reach it, and
 * it ends when this process ends, however that happens. Ending the child's standard input stops the program;
 * the child exits after it, with its exit code. The caller reads standard output and error, or they fill up.
 */
export function supervise(program: SupervisedProgram): ChildProcess {
  return spawn(process.execPath, [SUPERVISOR, JSON.stringify(program)], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
