import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { runCommand } from './doctor-rig.ts';

const COMMAND = fileURLToPath(new URL('../../scripts/run.cjs', import.meta.url));

export interface Told {
  readonly id: string;
  readonly memory: string;
  readonly metadata?: object | null;
  readonly user_id?: string;
  readonly agent_id?: string;
  readonly run_id?: string;
  readonly expiration_date?: string;
  readonly role?: string;
}

/** A store that several tenants share, and the command that adopts it. */
export async function startAdoptRig(mapping: object) {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-adopt-'));
  const mem0: Mem0 = await startMem0({ dir: join(dir, 'mem0'), log: () => undefined });
  const map = join(dir, 'map.json');
  await writeFile(map, JSON.stringify(mapping));
  let tests = 0;

  // biome-ignore lint/suspicious/noExplicitAny: what came back is what a test is about
  async function ask(method: string, path: string, body?: object): Promise<any> {
    const response = await fetch(`${mem0.url}${path}`, {
      method,
      headers: { 'x-api-key': mem0.apiKey, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return response.json();
  }

  const rig = {
    mem0,
    map,
    journal: join(dir, 'journal'),
    ask,
    /** An empty store, and no journal. */
    async fresh(): Promise<void> {
      await ask('POST', '/reset');
      rig.journal = join(dir, `journal-${++tests}`);
    },
    async put(ids: object, content: string, more: object = {}): Promise<string> {
      const messages = [{ role: 'user', content }];
      return (await ask('POST', '/memories', { ...ids, ...more, messages, infer: false })).results[0].id;
    },
    /** Everybody's, or those that a query finds; at most a thousand. */
    async rows(query = ''): Promise<Told[]> {
      return (await ask('GET', `/memories?top_k=1000${query}`)).results;
    },
    args: (...more: string[]) => ['--map', map, '--journal', rig.journal, ...more],
    run: (more: readonly string[], origin = mem0.url) =>
      runCommand('adopt', ['--origin', origin, ...rig.args(...more)], {
        env: { MEM0_API_KEY: mem0.apiKey },
      }),
    /** The command in a process that a test may end. */
    start: (origin: string) =>
      spawn(process.execPath, [COMMAND, 'adopt', '--origin', origin, ...rig.args('--apply', '--yes')], {
        env: { ...process.env, MEM0_API_KEY: mem0.apiKey },
        stdio: 'ignore',
      }),
    async stop(): Promise<void> {
      await mem0.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return rig;
}

export type AdoptRig = Awaited<ReturnType<typeof startAdoptRig>>;

export interface Between {
  readonly origin: string;
  /**
   * What becomes of a call: asked before it is passed on and again with its answer, it is told the answer's text to
   * send, or `false` to leave the call without one.
   */
  judge: (call: { method: string; path: string; answer?: string }) => string | false | undefined;
  stop(): void;
}

/** Stands between the command and Mem0. */
export async function startBetween({ mem0 }: AdoptRig): Promise<Between> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call = { method: request.method!, path: request.url! };
    if (between.judge(call) === false) return void response.destroy();
    const answer = await fetch(`${mem0.url}${call.path}`, {
      method: call.method,
      headers: { 'x-api-key': mem0.apiKey, 'content-type': 'application/json' },
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    const text = await answer.text();
    const judged = between.judge({ ...call, answer: text });
    if (judged === false) return void response.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(judged ?? text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const between: Between = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    judge: () => undefined,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return between;
}
