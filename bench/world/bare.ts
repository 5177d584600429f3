import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { startChild } from '../../local/child.ts';
import { freePort } from '../../local/ports.ts';
import { waitForHttp } from '../../local/wait.ts';
import { bundle, type WorkerConfig } from '../../local/wrangler/bundle.ts';
import { workerdConfig } from '../../local/wrangler/capnp.ts';
import { ROOT } from '../../local/wrangler/wrangler.ts';

export interface BareWorker {
  readonly port: number;
  /** Leads the process group that workerd is in. */
  readonly pid: number;
  stop(): Promise<void>;
}

export interface BareOptions {
  readonly name: string;
  /** An ES module. It gets the upstream's address as `env.UPSTREAM`. */
  readonly source: string;
  /** Modules that it imports, by absolute path. */
  readonly beside?: readonly { readonly name: string; readonly path: string }[];
  readonly objects?: WorkerConfig['objects'];
  readonly upstream: string;
  /** Empty, and this Worker's own. */
  readonly folder: string;
}

/** A Worker of the bench's own on bare workerd, of the same version, date and flags as the gateway. */
export async function startBare({
  name,
  source,
  beside = [],
  objects = [],
  upstream,
  folder,
}: BareOptions): Promise<BareWorker> {
  const { config } = await bundle();
  const port = await freePort();
  const storageDir = join(folder, 'objects');
  await mkdir(storageDir, { recursive: true });
  await writeFile(join(folder, 'index.js'), source);
  const file = join(folder, 'workerd.capnp');
  await writeFile(
    file,
    workerdConfig({
      config: { ...config, vars: {}, objects },
      modules: [
        { name: 'index.js', path: 'index.js' },
        ...beside.map(({ name, path }) => ({ name, path: relative(folder, path) })),
      ],
      env: { UPSTREAM: upstream },
      port,
      storageDir,
    }),
  );
  const child = startChild({
    argv: [join(ROOT, 'node_modules', 'workerd', 'bin', 'workerd'), 'serve', file, 'config'],
    cwd: folder,
    env: { PATH: process.env.PATH, TZ: 'UTC' },
    onLine: () => {},
  });
  try {
    const url = `http://127.0.0.1:${port}/`;
    await waitForHttp({ name, url, child, timeoutMs: 20_000, accept: () => true });
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { port, pid: child.pid, stop: () => child.stop() };
}
