import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Exit, startChild } from './child.ts';
import { choosePort, freePort } from './ports.ts';
import { waitForHttp } from './wait.ts';
import { envLine, ROOT, WRANGLER, wranglerEnv } from './wrangler/wrangler.ts';

export interface GatewayOptions {
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** The Worker's settings and secrets; they overrule the vars of wrangler.toml. */
  readonly env: { readonly [name: string]: string };
  /** Where the Durable Objects' data and wrangler's own files are kept. */
  readonly persistDir: string;
  readonly log: (line: string) => void;
  /** The folder of wrangler.toml; absent: the checkout. */
  readonly project?: string;
  readonly timeoutMs?: number;
}

export interface Gateway {
  readonly url: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** wrangler's own, and the one of the local stack. */
const CONDITIONS = 'workerd,worker,browser,local-stack';

/** wrangler's own line for each request: its path may hold a user's id. */
const REQUEST_LINE = /^\[wrangler:info\] [A-Z]+ \//;

/**
 * Runs the Worker with `wrangler dev` on loopback, from its sources, and waits until `/health` answers 200.
 *
 * @throws Error when it does not come up; nothing keeps running then.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { env, persistDir, log, project = ROOT, timeoutMs = 60_000 } = options;
  const port = await choosePort(options.port);
  await mkdir(persistDir, { recursive: true, mode: 0o700 });
  const envFile = join(persistDir, 'settings.env');
  const lines = Object.entries(env).map(([name, value]) => envLine(name, value));
  await writeFile(envFile, `${lines.join('\n')}\n`, { mode: 0o600 });

  const child = startChild({
    argv: [
      process.execPath,
      WRANGLER,
      'dev',
      ...['--config', join(project, 'wrangler.toml'), '--env', 'dev', '--env-file', envFile],
      ...['--ip', '127.0.0.1', '--port', String(port), '--local-protocol', 'http'],
      ...['--inspector-ip', '127.0.0.1', '--inspector-port', String(await freePort())],
      ...['--persist-to', join(persistDir, 'state'), '--local'],
      ...['--show-interactive-dev-session', 'false', '--live-reload', 'false'],
    ],
    cwd: project,
    // Picks the tenants' document in package.json: `wrangler dev` takes no --alias.
    env: { ...wranglerEnv(join(persistDir, 'wrangler')), WRANGLER_BUILD_CONDITIONS: CONDITIONS },
    onLine: (line) => {
      if (!REQUEST_LINE.test(line)) log(line);
    },
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitForHttp({
      name: 'The gateway',
      url: `${url}/health`,
      child,
      timeoutMs,
      accept: (status) => status === 200,
    });
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { url, pid: child.pid, exited: child.exited, stop: () => child.stop(), kill: () => child.kill() };
}
