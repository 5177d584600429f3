import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type Exit, startChild } from './child.ts';
import { choosePort } from './ports.ts';
import { waitForHttp } from './wait.ts';
import { bundle } from './wrangler/bundle.ts';
import { workerdConfig } from './wrangler/capnp.ts';
import { ROOT } from './wrangler/wrangler.ts';

export interface WorkerdOptions {
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** The Worker's settings and secrets; they overrule the vars of wrangler.toml. */
  readonly env: { readonly [name: string]: string };
  /** Where the Durable Objects' data is kept; the same folder brings it back. */
  readonly persistDir: string;
  readonly log: (line: string) => void;
  /** The folder of wrangler.toml; absent: the checkout. */
  readonly project?: string;
  /** The tenants' document; absent: the local stack's. */
  readonly tenants?: string;
  /** Where V8's inspector listens, on loopback; absent: nowhere. Whoever reaches it can read and do everything. */
  readonly inspectorPort?: number | undefined;
}

export interface Workerd {
  readonly url: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

const READY_MS = 20_000;

/**
 * Runs the Worker's bundle on bare workerd, which passes requests to it as they came over the socket, and waits
 * until it answers anything at all: with bad settings too.
 *
 * @throws Error when the sources do not build or workerd does not come up; nothing keeps running then.
 */
export async function startWorkerd({
  env,
  persistDir,
  log,
  project,
  tenants,
  inspectorPort,
  ...options
}: WorkerdOptions): Promise<Workerd> {
  const { dir, modules, config } = await bundle(project, tenants);
  const port = await choosePort(options.port);
  const folder = resolve(persistDir);
  const storageDir = join(folder, 'objects');
  await mkdir(storageDir, { recursive: true, mode: 0o700 });
  const placed = modules.map((name) => ({ name, path: relative(folder, join(dir, name)) }));
  const file = join(folder, 'workerd.capnp');
  // The settings in it are secrets.
  await writeFile(file, workerdConfig({ config, modules: placed, env, port, storageDir }), { mode: 0o600 });

  const inspector = inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${inspectorPort}`];
  const child = startChild({
    argv: [join(ROOT, 'node_modules', 'workerd', 'bin', 'workerd'), 'serve', ...inspector, file, 'config'],
    cwd: folder,
    env: { PATH: process.env.PATH, TZ: 'UTC' },
    onLine: log,
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitForHttp({
      name: 'workerd',
      url: `${url}/health`,
      child,
      timeoutMs: READY_MS,
      accept: () => true,
    });
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { url, pid: child.pid, exited: child.exited, stop: () => child.stop(), kill: () => child.kill() };
}
