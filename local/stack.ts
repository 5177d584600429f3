import { mkdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from '../scripts/lib/command.ts';
import { startedAt } from './process.ts';
import { type StackInfo, statePaths, writeInfo } from './stack/info.ts';
import { takeLock } from './stack/lock.ts';
import {
  type Running,
  type Setting,
  startDatabase,
  startMemory,
  startProvider,
  startWorker,
} from './stack/parts.ts';
import { checkPorts, DEFAULT_PORTS, type Ports } from './stack/ports.ts';
import { keptSecrets } from './stack/secrets.ts';

export interface StackOptions {
  /** The checkout whose `.local` holds all state. */
  readonly root: string;
  readonly ports?: Ports;
  readonly log: (line: string) => void;
  /** `false`: everything but the gateway. Default `true`. */
  readonly gateway?: boolean;
  /** Aborts a start: what has come up is stopped again. */
  readonly signal?: AbortSignal;
}

export interface Stack {
  readonly info: StackInfo;
  /** Resolves with one line when a part ends by itself; everything else has been stopped by then. */
  readonly crashed: Promise<string>;
  stop(): Promise<void>;
}

/** How long a stop waits for parts that are still coming up, in milliseconds. */
const LATE_MS = 10_000;

/**
 * Starts the whole local stack and waits until it is ready. One runs per checkout at a time. A second start finds
 * memories, history, audit and keys as the first one left them.
 *
 * @throws CommandError in one line with the remedy: already running, port taken, or a part that does not come up;
 *   nothing keeps running then.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { root, log, signal, gateway = true } = options;
  const paths = statePaths(root);
  const ports = options.ports ?? DEFAULT_PORTS;
  const lock = await takeLock(paths.lock);
  if (!lock.ok) {
    const { pid } = lock.holder;
    throw new CommandError(
      `The stack runs already (process ${pid}): stop it with Ctrl-C there, or \`kill ${pid}\`.`,
    );
  }
  const parts: Running<unknown>[] = [];
  const starting = new Set<Promise<unknown>>();
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      await rm(paths.info, { force: true });
      // The last one started needs the others.
      for (const part of parts.toReversed()) await part.stop().catch((error: Error) => log(error.message));
      // The next start must not meet a part that comes up late; one that hangs ends with this process.
      await Promise.race([Promise.allSettled(starting), sleep(LATE_MS, undefined, { ref: false })]);
      await lock.release();
    })();
    return stopping;
  };
  /** Why everything stops, when a part ended by itself. */
  let crash: string | undefined;
  let reportCrash: (line: string) => void = () => {};
  const crashed = new Promise<string>((resolve) => {
    reportCrash = resolve;
  });

  const logOf = (file: string) => relative(process.cwd(), join(paths.logs, `${file}.log`));

  /** Adds a part as soon as it is up; one that is late for a stop is stopped at once. */
  const start = <T>(name: string, file: string, running: Promise<Running<T>>): Promise<T> => {
    const started = up(name, file, running);
    starting.add(started);
    return started;
  };
  const up = async <T>(name: string, file: string, running: Promise<Running<T>>): Promise<T> => {
    let part: Running<T>;
    try {
      part = await running;
    } catch (error) {
      if (error instanceof CommandError) throw error;
      const [what] = (error as Error).message.split('\n');
      throw new CommandError(`${name} did not start (${what}): see ${logOf(file)}.`);
    }
    if (stopping !== undefined) {
      await part.stop();
      throw new CommandError(crash ?? 'The start was broken off.');
    }
    parts.push(part);
    void part.crashed?.then(async (words) => {
      if (stopping !== undefined) return;
      crash = `${name} ${words}; the stack is stopped: see ${logOf(file)}, then run \`npm start\` again.`;
      await stop();
      reportCrash(crash);
    });
    log(`${name} is up`);
    return part.value;
  };

  const run = async (): Promise<StackInfo> => {
    if (lock.stale) log('An earlier stack did not end in order; its lock was stale and is taken over.');
    await rm(paths.info, { force: true });
    const { gateway: gatewayPort, ...others } = ports;
    await checkPorts(gateway ? ports : others);
    await mkdir(paths.logs, { recursive: true, mode: 0o700 });
    const setting: Setting = { root, paths, ports, secrets: await keptSecrets(paths.secrets) };
    const [database, mem0, identity] = await settled([
      start('The database', 'postgres', startDatabase(setting)),
      start('Mem0', 'mem0', startMemory(setting)),
      start('The identity provider', 'identity', startProvider(setting)),
    ]);
    const holder = { pid: process.pid, started: startedAt(process.pid) ?? '' };
    const needed = { holder, identity, mem0, ...database };
    if (!gateway) return needed;
    return { ...needed, gateway: await start('The gateway', 'gateway', startWorker(setting, needed)) };
  };

  try {
    const info = await Promise.race([run(), aborted(signal), crashed.then(fail)]);
    await writeInfo(root, info);
    return { info, crashed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Like Promise.all, but fails only when all have ended, so that nothing comes up behind a failure's back. */
async function settled<T extends readonly unknown[]>(all: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  const results = await Promise.allSettled(all);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(new CommandError('The start was broken off.', 130));
    if (signal?.aborted) fail();
    signal?.addEventListener('abort', fail, { once: true });
  });
}

function fail(line: string): never {
  throw new CommandError(line);
}
