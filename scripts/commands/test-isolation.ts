import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

await command({
  usage: 'npm run test:isolation --',
  summary:
    'Sends random requests of three tenants through the real Worker over the real Mem0 engine, and compares each answer ' +
    'with a simple model of who may see what. A difference is shrunk to the fewest requests that show it. With --origin ' +
    'over a self-hosted Mem0 that runs on this machine, whose key is in MEM0_SERVER_KEY: everything in it is wiped.',
  options: {
    runs: { type: 'string', value: 'N', default: '1000', help: 'how many walks, of 4 to 24 requests each' },
    seed: {
      type: 'string',
      value: 'N',
      help: 'the same seed makes the same walks; else one is chosen and shown',
    },
    origin: {
      type: 'string',
      value: 'URL',
      help: 'a Mem0 server on this machine; everything in it is wiped',
    },
  },
  async run({ runs, seed = String(Date.now() % 2 ** 31), origin }, _positionals, io) {
    for (const [name, value] of Object.entries({ runs, seed })) {
      if (!/^\d{1,10}$/.test(String(value))) throw new CommandError(`--${name} is a whole number.`, 2);
    }
    // Empty where there is none: one that this shell happens to name is not to be wiped.
    const server = origin === undefined ? '' : loopback(String(origin));
    if (server !== '' && !process.env.MEM0_SERVER_KEY) {
      throw new CommandError('--origin needs the server’s key in MEM0_SERVER_KEY.', 2);
    }
    io.note(`Seed ${seed}.`);
    const code = await vitest({
      ISOLATION_RUNS: String(runs),
      ISOLATION_SEED: String(seed),
      MEM0_SERVER_URL: server,
    });
    if (io.json) io.out(JSON.stringify({ ok: code === 0, runs: Number(runs), seed: Number(seed) }));
    return code;
  },
});

/**
 * Only this machine's: nobody wipes a server elsewhere by a slip.
 * @throws CommandError for any other.
 */
function loopback(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' && LOOPBACK.test(url.hostname) && url.pathname === '/' && url.search === '') {
    return url.origin;
  }
  throw new CommandError('--origin is http, a loopback address and a port, as http://127.0.0.1:8000.', 2);
}

/** Runs the one test; its progress goes to standard error. Ctrl-C reaches it as it reaches us. */
function vitest(env: { readonly [name: string]: string }): Promise<number> {
  const argv = [
    'run',
    '--project',
    'integration',
    '--reporter',
    'dot',
    'tests/integration/isolation.test.ts',
  ];
  const child = spawn('vitest', argv, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
