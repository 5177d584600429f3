import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { choosePort, freePort } from './ports.ts';

async function listen() {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port, server };
}

it('waits for a port that its last holder is about to let go', async () => {
  const { port, server } = await listen();
  const chosen = choosePort(port);
  await sleep(100);
  server.close();
  expect(await chosen).toBe(port);
});

it('refuses a port that somebody keeps', async () => {
  const { port, server } = await listen();
  await expect(choosePort(port)).rejects.toThrow(`port ${port} is taken`);
  server.close();
});
