import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../scripts/lib/command.ts';
import { startGenerator } from './load/generator.ts';
import type { Floor } from './parts.ts';
import { ACTORS, ACTORS_EACH, SCENARIOS } from './scenarios.ts';
import { spread } from './stats.ts';
import { startBare } from './world/bare.ts';
import { forkScript } from './world/fork.ts';
import { cpuMs, inGroup, pin } from './world/processes.ts';

/**
 * What the platform takes for what governance cannot do without, each step with those before it, but for the last two,
 * which take the place of storing in one object. The path's first segment says how far a request goes, and how many
 * actors there are.
 */
const STEPS = ['null', 'whole', 'object', 'append', 'twice', 'apart', 'afresh'] as const;
const TEXTS: { readonly [S in (typeof STEPS)[number]]: string } = {
  null: 'forwards',
  whole: 'reads the whole answer before it gives it',
  object: 'asks an object of the actor first, which writes nothing',
  append: 'and stores 700 bytes in one object, one call for all that come together',
  twice: 'and stores as much again there, as a change does that is recorded before and after',
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
let open, count = 0, underWay = 0;
function append(env, ctx) {
  const { promise, resolve } = Promise.withResolvers();
  // Not for its time: a request that waits for nothing of its own is taken for one that hangs.
  const timer = setTimeout(resolve, 5000);
  const settle = (answer) => { clearTimeout(timer); resolve(answer); };
  if (open) { open.push(settle); return promise; }
  const mine = (open = [settle]);
  ctx.waitUntil((async () => {
    // Who is alone has nobody to wait for.
    if (underWay > 1) await new Promise((done) => setTimeout(done));
    open = undefined;
    const answers = await env.LOG.getByName('log').append(mine.map(() => TEXT));
    mine.forEach((each, i) => each(answers[i]));
  })());
  return promise;
}
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const [, first] = pathname.split('/', 2);
    const [step, actors] = first.split(':');
    const far = STEPS.indexOf(step);
    const shared = step === 'append' || step === 'twice';
    if (shared) underWay++;
    const url = env.UPSTREAM + pathname.slice(1 + first.length);
    if (far === 0) return fetch(url, request);
    const id = step === 'afresh' ? 'new' + count++ : String(count++ % actors);
    if (far >= 2) await env.GATE.getByName(id).admit({ id, kind: 'request', limit: 9, windowMs: 9, weight: 1 });
    const answer = await fetch(url, request);
    const text = await answer.text();
    if (shared) {
      await append(env, ctx);
      if (step === 'twice') await append(env, ctx);
      underWay--;
    }
    if (step === 'apart' || step === 'afresh') await env.LOG.getByName(id).append([TEXT]);
    return new Response(text, answer);
  },
};
`;

const OBJECTS = [
  { binding: 'GATE', className: 'Gate', sqlite: true },
  { binding: 'LOG', className: 'Log', sqlite: true },
];

/** New objects in a stretch: each is open for 10 to 20 s with three files, of which a process may have some 20,000. */
const MOST_AFRESH = 500;

/** One for latency, the others for what requests cost. */
const CONNECTIONS = [1, 32, 128];

interface Cost {
  readonly cpuUs: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Measures each step in turns, beside the first in the same round. */
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
    const cost = async (
      step: (typeof STEPS)[number],
      connections: number,
      durationMs: number,
      requests = Number.POSITIVE_INFINITY,
    ): Promise<Cost> => {
      signal.throwIfAborted();
      const { shot } = SCENARIOS.find(({ name }) => name === 'read')!;
      const actors = Math.min(ACTORS, ACTORS_EACH * connections);
      const most = Math.min(requests, step === 'afresh' ? MOST_AFRESH : requests);
      const before = cpuMs(pid);
      const { answered, statuses, latency } = await generator.run({
        ...{ port: worker.port, tokens: [], connections, durationMs },
        ...(most === Number.POSITIVE_INFINITY ? {} : { most }),
        shot: { ...shot, path: `/${step}:${actors}${shot.path}` },
      });
      if (statuses['200'] !== answered) {
        throw new Error(`the floor failed where it ${TEXTS[step]}: ${JSON.stringify(statuses)}`);
      }
      const { p50, p99 } = latency;
      return { cpuUs: ((cpuMs(pid) - before) / answered) * 1000, p50, p99 };
    };
    const floors: Floor[] = [];
    for (const connections of CONNECTIONS) {
      for (const step of STEPS) await cost(step, connections, 60_000, 3 * ACTORS);
      const all: Cost[][] = [];
      for (let i = 0; i < rounds; i++) {
        const round: Cost[] = [];
        for (const step of STEPS) round.push(await cost(step, connections, roundMs));
        all.push(round);
      }
      const over = (of: (cost: Cost, first: Cost) => number, at: number) =>
        spread(all.map((round) => of(round[at]!, round[0]!)));
      floors.push(
        ...STEPS.map((step, at) => ({
          text: TEXTS[step],
          connections,
          cpuUs: over(({ cpuUs }) => cpuUs, at),
          ratio: over(({ cpuUs }, first) => cpuUs / first.cpuUs, at),
          addedP50: over(({ p50 }, first) => p50 - first.p50, at),
          addedP99: over(({ p99 }, first) => p99 - first.p99, at),
        })),
      );
    }
    return floors;
  } finally {
    for (const part of parts) await part.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
