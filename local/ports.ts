import { createServer } from 'node:net';

/** A port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('no port is free');
  return port;
}

/**
 * The wanted port, or a free one when none is wanted.
 *
 * @throws Error when the wanted one is taken: whoever answers there would be mistaken for ours.
 */
export async function choosePort(wanted = 0): Promise<number> {
  if (wanted === 0) return freePort();
  if (!(await isPortFree(wanted))) throw new Error(`port ${wanted} is taken`);
  return wanted;
}

/** Whether nothing listens on this port of the loopback interface. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
