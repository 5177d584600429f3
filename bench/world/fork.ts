import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A script of the bench in a process of its own, which says `ready` and ends with this one. */
export interface Forked<M> {
  readonly pid: number;
  /** What it said first. */
  readonly ready: M;
  /** Sends a message and waits for the next one back. @throws Error when the process ends instead. */
  ask(message: object): Promise<M>;
  /** Sends a message that is not answered. */
  tell(message: object): void;
  stop(): Promise<void>;
}

/**
 * @param script relative to `bench/`.
 * @param signal ends it.
 * @throws Error when it ends before it is ready.
 */
export async function forkScript<M>(script: string, signal?: AbortSignal): Promise<Forked<M>> {
  const child = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  signal?.addEventListener('abort', () => child.kill('SIGKILL'));
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = await message<M>(child, script);
  return {
    pid: child.pid!,
    ready,
    ask(sent) {
      const answer = message<M>(child, script);
      child.send(sent);
      return answer;
    },
    tell: (sent) => {
      child.send(sent);
    },
    async stop() {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

function message<M>(child: ChildProcess, script: string): Promise<M> {
  return new Promise((resolve, reject) => {
    const lost = () => reject(new Error(`${script} ended`));
    child.once('exit', lost);
    child.once('message', (said) => {
      child.off('exit', lost);
      resolve(said as M);
    });
  });
}
