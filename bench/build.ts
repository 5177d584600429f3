import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { formatSignerKey, signerKey } from '../core/note.ts';
import { startWorkerd } from '../local/workerd.ts';
import { bundle } from '../local/wrangler/bundle.ts';
import type { Io } from '../scripts/lib/command.ts';
import type { Build } from './parts.ts';
import { spread } from './stats.ts';
import { startBare } from './world/bare.ts';
import { type Forked, forkScript } from './world/fork.ts';
import { startNullProxy } from './world/null-proxy.ts';
import { inGroup, threadsCpuMs } from './world/processes.ts';

const NOWHERE = 'http://127.0.0.1:9';

/** Settings that are complete, for a gateway that nobody asks anything but its health. */
const SETTINGS = {
  ISSUERS: JSON.stringify([
    {
      ...{ issuer: NOWHERE, audience: 'x', jwks_url: `${NOWHERE}/jwks`, algorithms: ['ES256'] },
      ...{ tenants: ['*'], roles: ['*'] },
    },
  ]),
  ...{ MEM0_ORIGIN: NOWHERE, MEM0_API_KEY: 'unused', AUDIT_SQL_ENDPOINT: `${NOWHERE}/sql` },
  AUDIT_WRITER_URL: 'postgresql://writer@127.0.0.1:9/audit',
  AUDIT_READER_URL: 'postgresql://reader@127.0.0.1:9/audit',
  AUDIT_ORIGIN: 'gateway.bench',
  AUDIT_SIGNING_KEY: formatSignerKey(signerKey('gateway.bench', new Uint8Array(32).fill(1))),
  AUDIT_VAULT_KEYS: `bench:${Buffer.alloc(32, 1).toString('base64url')}`,
};

/** Evaluates the bundle and answers in its place: what Cloudflare calls start-up time ends there. */
const EVALUATED = `export * from './gateway/index.js';
import gateway from './gateway/index.js';
export default { fetch: () => new Response(typeof gateway.fetch) };
`;

/** Starts of one run differ by a half, and take half a second. */
const STARTS = 15;

/** Weighs the bundle, and starts it fifteen times or as often as there are rounds, each time beside the null proxy. */
export async function measureBuild(io: Io, rounds: number, signal: AbortSignal): Promise<Build> {
  io.note('The bundle, and its start');
  const { dir, modules, config } = await bundle();
  const contents = await Promise.all(modules.map((name) => readFile(join(dir, name))));
  const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  const startups: number[] = [];
  const evaluations: number[] = [];
  const upstream: Forked<{ url: string }> = await forkScript('upstream/main.ts');
  try {
    for (let i = 0; i < Math.max(rounds, STARTS); i++) {
      signal.throwIfAborted();
      const proxy = await started((folder) => startNullProxy(upstream.ready.url, folder));
      const gateway = await started(async (persistDir) => {
        const server = await startWorkerd({ env: SETTINGS, persistDir, log: () => {} });
        return { ...server, health: `${server.url}/health` };
      });
      startups.push(gateway - proxy);
      const evaluated = await started((folder) =>
        startBare({
          ...{ name: 'the evaluated bundle', source: EVALUATED, upstream: upstream.ready.url, folder },
          objects: config.objects,
          beside: modules.map((name) => ({ name: `gateway/${name}`, path: join(dir, name) })),
        }),
      );
      evaluations.push(evaluated - proxy);
    }
  } finally {
    await upstream.stop();
  }
  return {
    bytes: sum(contents.map((bytes) => bytes.length)),
    gzipBytes: sum(contents.map((bytes) => gzipSync(bytes).length)),
    startupMs: spread(startups),
    evaluatedMs: spread(evaluations),
  };
}

/** CPU of a workerd from its start until it has answered for the first time, in milliseconds. */
async function started(
  start: (
    folder: string,
  ) => Promise<{ readonly pid: number; readonly health?: string; stop(): Promise<void> }>,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'mem0-governance-start-'));
  try {
    const server = await start(folder);
    const used = threadsCpuMs(inGroup(server.pid, 'workerd'));
    // A gateway that refuses its settings starts sooner.
    const status = server.health ? (await fetch(server.health)).status : 200;
    await server.stop();
    if (status !== 200) throw new Error(`the gateway's first answer was ${status}`);
    return used;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
