import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Below the ports that systems give to outgoing connections: a client's socket must not take a server's place. */
const FIRST = 10_000;
const LAST = 32_000;
const TRIES = 200;
/** How long a process that has just ended may hold on to its port: it lets go of its streams first. */
const LET_GO_MS = 1000;

/** A port of the loopback interface that is free now, and stays free while its server is restarted. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isPortFree(port)) return port;
  }
  throw new Error('no port is free');
}

/**
 * The wanted port, or a free one when none is wanted.
 *
 * @throws Error when the wanted one is taken: whoever answers there would be mistaken for ours.
 */
export async function choosePort(wanted = 0): Promise<number> {
  if (wanted === 0) return freePort();
  for (const until = Date.now() + LET_GO_MS; !(await isPortFree(wanted)); await sleep(20)) {
    if (Date.now() > until) throw new Error(`port ${wanted} is taken`);
  }
  return wanted;
}

/** Whether nothing listens on this port of the loopback interface. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
