import { CommandError, type Io } from '../../scripts/lib/command.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs something that Ctrl-C breaks off: its signal is aborted, and it is waited for, so that it can clean up.
 * @throws CommandError when it was broken off.
 */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new CommandError('Broken off.', 130));
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await run(interrupted.signal);
  } catch (error) {
    // Whatever failed then failed because of it.
    interrupted.signal.throwIfAborted();
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** Starts everything, and ends it when it was used, or at once when the signal is aborted. */
export async function withWorld<T>(
  io: Io,
  signal: AbortSignal,
  options: WorldOptions,
  use: (world: World) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  signal.addEventListener('abort', () => broken.reject(signal.reason));
  io.note('Starting Postgres, the gateway, the null proxy and the upstream.');
  const starting = startWorld(options);
  try {
    const world = await Promise.race([starting, broken.promise]);
    return await Promise.race([use(world), broken.promise]);
  } finally {
    await (await starting.catch(() => undefined))?.stop();
  }
}
