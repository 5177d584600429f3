import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { killGroup } from './process.ts';

/** How long a killed process may take to let go of what it held, in milliseconds. */
const CLOSE_MS = 5000;

const SUPERVISOR = fileURLToPath(new URL('./supervisor.ts', import.meta.url));

export interface ChildOptions {
  /** The program and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  /** The whole environment of the process: nothing is inherited beside it. */
  readonly env: { readonly [name: string]: string | undefined };
  /** Each line that the process writes, on either stream. */
  readonly onLine: (line: string) => void;
  /** How long it may take to stop before it is killed, in milliseconds. */
  readonly graceMs?: number;
}

/** How a process ended: with a code, by a signal, or it could not be started at all. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: string;
}

export interface Child {
  /** The leader of the process group that holds the process and all that it starts. */
  readonly pid: number;
  /** Resolves when the process and its group are gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** Asks the process to stop, kills it after the grace period, and waits until its group is gone. */
  stop(): Promise<void>;
  /** Kills the whole group at once, as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a process that ends with this one, also when this one is killed: a supervisor between the two stops it
 * as soon as their channel closes. It gets a process group of its own, so Ctrl-C reaches it only through `stop`.
 */
export function startChild({ argv, cwd, env, onLine, graceMs = 5000 }: ChildOptions): Child {
  const supervisor = spawn(process.execPath, [SUPERVISOR, String(graceMs), ...argv], {
    cwd,
    env: { ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const pid = supervisor.pid ?? 0;
  lines(supervisor.stdout as Readable, onLine);
  lines(supervisor.stderr as Readable, onLine);

  // Not the child's own 'close', which never comes once its channel was closed from here.
  const silent = Promise.all([
    once(supervisor.stdout as Readable, 'close'),
    once(supervisor.stderr as Readable, 'close'),
  ]);
  const exited = new Promise<Exit>((resolve) => {
    let exit: Exit | undefined;
    supervisor.on('message', (message) => {
      exit = message as Exit;
    });
    supervisor.on('error', (error) => resolve({ code: null, signal: null, error: error.message }));
    supervisor.on('exit', (code, signal) => {
      // Killed alone, the supervisor leaves its group behind.
      if (pid > 0) killGroup(pid);
      const done = async () => {
        // The process itself holds the streams until it is gone, and its ports with it.
        await Promise.race([silent, sleep(CLOSE_MS, undefined, { ref: false })]);
        resolve(exit ?? { code, signal });
      };
      // The report may still be on its way through the channel.
      if (supervisor.connected) supervisor.once('disconnect', () => void done());
      else void done();
    });
  });

  return {
    pid,
    exited,
    async stop() {
      if (supervisor.connected) supervisor.disconnect();
      await exited;
    },
    async kill() {
      if (pid > 0) killGroup(pid);
      await exited;
    },
  };
}

/** How a process ended, in words for one line. */
export function describeExit({ code, signal, error }: Exit): string {
  if (error !== undefined) return `could not be started (${error})`;
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

function lines(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine);
}
