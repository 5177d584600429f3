import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../scripts/lib/command.ts';
import { startGenerator } from './load/generator.ts';
import type { Floor } from './parts.ts';
import { ACTORS, CONNECTIONS, SCENARIOS } from './scenarios.ts';
import { spread } from './stats.ts';
import { startBare } from './world/bare.ts';
import { forkScript } from './world/fork.ts';
import { cpuMs, inGroup, pin } from './world/processes.ts';

/**
 * What the platform takes for what governance cannot do without, each step with those before it, but for the last three,
 * of which a request takes one. The path's first segment says how far a request goes.
 */
const STEPS = ['null', 'whole', 'object', 'append', 'apart', 'afresh'] as const;
const TEXTS: { readonly [S in (typeof STEPS)[number]]: string } = {
  null: 'forwards',
  whole: 'reads the whole answer before it gives it',
  object: 'asks an object of the actor first, which writes nothing',
  append: 'and stores 700 bytes in one object, one call for all that come together',
  apart: 'or stores them in an object of the actor, one call and one commit for each',
  afresh: 'or in one of an actor that never came before: both objects are made for it',
};

/** No checks, no policy, no hashes, no tree: calls of the platform and nothing else. */
const SOURCE = `import { DurableObject } from 'cloudflare:workers';
export class Gate extends DurableObject {
  admit({ limit }) { return { admitted: true, limit, remaining: 1, resetMs: 1, retryAfterMs: 0 }; }
}
export class Log extends DurableObject {
  #sql = this.ctx.storage.sql;
  constructor(ctx, env) {
    super(ctx, env);
    this.#sql.exec('CREATE TABLE IF NOT EXISTS record (idx INTEGER PRIMARY KEY, text TEXT) STRICT');
  }
  append(texts) {
    return texts.map((text) => {
      this.#sql.exec('INSERT INTO record (text) VALUES (?)', text);
      return { ok: true };
    });
  }
}
const TEXT = 'x'.repeat(700);
const STEPS = ${JSON.stringify(STEPS)};
let open, count = 0;
function append(env, ctx) {
  const { promise, resolve } = Promise.withResolvers();
  // Not for its time: a request that waits for nothing of its own is taken for one that hangs.
  const timer = setTimeout(resolve, 5000);
  const settle = (answer) => { clearTimeout(timer); resolve(answer); };
  if (open) { open.push(settle); return promise; }
  const mine = (open = [settle]);
  ctx.waitUntil((async () => {
    await new Promise((done) => setTimeout(done));
    open = undefined;
    const answers = await env.LOG.getByName('log').append(mine.map(() => TEXT));
    mine.forEach((each, i) => each(answers[i]));
  })());
  return promise;
}
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const [, step] = pathname.split('/', 2);
    const far = STEPS.indexOf(step);
    const url = env.UPSTREAM + pathname.slice(1 + step.length);
    if (far === 0) return fetch(url, request);
    const id = step === 'afresh' ? 'new' + count++ : String(count++ % ${ACTORS});
    if (far >= 2) await env.GATE.getByName(id).admit({ id, kind: 'request', limit: 9, windowMs: 9, weight: 1 });
    const answer = await fetch(url, request);
    const text = await answer.text();
    if (step === 'append') await append(env, ctx);
    if (step === 'apart' || step === 'afresh') await env.LOG.getByName(id).append([TEXT]);
    return new Response(text, answer);
  },
};
`;

const OBJECTS = [
  { binding: 'GATE', className: 'Gate', sqlite: true },
  { binding: 'LOG', className: 'Log', sqlite: true },
];

/** Measures each step in turns, as a multiple of the first in the same round. */
export async function measureFloor(
  io: Io,
  signal: AbortSignal,
  { rounds, roundMs }: { readonly rounds: number; readonly roundMs: number },
): Promise<Floor[]> {
  io.note('The floor: calls of the platform and nothing else');
  const folder = await mkdtemp(join(tmpdir(), 'mem0-governance-floor-'));
  const parts: { stop(): Promise<void> }[] = [];
  try {
    pin(process.pid, 'others');
    const upstream = await forkScript<{ url: string }>('upstream/main.ts', signal);
    parts.push(upstream);
    const generator = await startGenerator();
    parts.push(generator);
    const bare = {
      name: 'the floor',
      source: SOURCE,
      objects: OBJECTS,
      upstream: upstream.ready.url,
      folder,
    };
    const worker = await startBare(bare);
    parts.unshift(worker);
    const pid = inGroup(worker.pid, 'workerd');
    pin(pid, 'measured');
    const cost = async (step: string, connections: number, durationMs: number, most?: number) => {
      signal.throwIfAborted();
      const { shot } = SCENARIOS.find(({ name }) => name === 'read')!;
      const before = cpuMs(pid);
      const { answered, statuses } = await generator.run({
        ...{ port: worker.port, tokens: [], connections, durationMs, ...(most ? { most } : {}) },
        shot: { ...shot, path: `/${step}${shot.path}` },
      });
      if (statuses['200'] !== answered) throw new Error(`the floor failed: ${JSON.stringify(statuses)}`);
      return ((cpuMs(pid) - before) / answered) * 1000;
    };
    const floors: Floor[] = [];
    for (const connections of CONNECTIONS.filter((each) => each >= 32)) {
      for (const step of STEPS) await cost(step, connections, 60_000, 3 * ACTORS);
      const all: number[][] = [];
      for (let i = 0; i < rounds; i++) {
        const round: number[] = [];
        for (const step of STEPS) round.push(await cost(step, connections, roundMs));
        all.push(round);
      }
      floors.push(
        ...STEPS.map((step, at) => ({
          text: TEXTS[step],
          connections,
          cpuUs: spread(all.map((round) => round[at]!)),
          ratio: spread(all.map((round) => round[at]! / round[0]!)),
        })),
      );
    }
    return floors;
  } finally {
    for (const part of parts) await part.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
