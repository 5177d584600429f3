import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../../local/child.ts';
import { freePort } from '../../local/ports.ts';
import { waitForHttp } from '../../local/wait.ts';
import { bundle } from '../../local/wrangler/bundle.ts';
import { workerdConfig } from '../../local/wrangler/capnp.ts';
import { ROOT } from '../../local/wrangler/wrangler.ts';

/** All that a Worker in front of Mem0 cannot do without: the call. */
const SOURCE = `export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return fetch(env.UPSTREAM + pathname + search, request);
  },
};
`;

export interface NullProxy {
  readonly port: number;
  /** Leads the process group that workerd is in. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** A Worker that only forwards, on bare workerd of the same version, date and flags as the gateway. */
export async function startNullProxy(upstream: string, folder: string): Promise<NullProxy> {
  const { config } = await bundle();
  const port = await freePort();
  const storageDir = join(folder, 'objects');
  await mkdir(storageDir, { recursive: true });
  await writeFile(join(folder, 'index.js'), SOURCE);
  const file = join(folder, 'workerd.capnp');
  await writeFile(
    file,
    workerdConfig({
      config: { ...config, vars: {}, objects: [] },
      modules: [{ name: 'index.js', path: 'index.js' }],
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
    await waitForHttp({ name: 'the null proxy', url, child, timeoutMs: 20_000, accept: () => true });
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { port, pid: child.pid, stop: () => child.stop() };
}
