import type { Child } from './child.ts';
import { describeExit } from './child.ts';

const INTERVAL_MS = 50;

/**
 * Asks `url` until its status satisfies `accept`.
 *
 * @throws Error when the process ends first, or after `timeoutMs`; the message begins with `name`.
 */
export async function waitForHttp(options: {
  readonly name: string;
  readonly url: string;
  readonly child: Child;
  readonly timeoutMs: number;
  readonly accept: (status: number) => boolean;
}): Promise<void> {
  const { name, url, child, timeoutMs, accept } = options;
  const deadline = Date.now() + timeoutMs;
  let ended: string | undefined;
  void child.exited.then((exit) => {
    ended = describeExit(exit);
  });
  let last = 'no answer';
  while (Date.now() < deadline) {
    if (ended !== undefined) throw new Error(`${name} ${ended}`);
    try {
      const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2000) });
      await response.body?.cancel();
      if (accept(response.status)) return;
      last = `status ${response.status}`;
    } catch {
      last = 'no answer';
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
  throw new Error(`${name} was not ready after ${timeoutMs / 1000} s (${last})`);
}
