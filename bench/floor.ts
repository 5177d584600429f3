import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../scripts/lib/command.ts';
import { OBJECTS, SOURCE, STEPS, type Step } from './floor-worker.ts';
import { startGenerator } from './load/generator.ts';
import type { Floor } from './parts.ts';
import { ACTORS, ACTORS_EACH, SCENARIOS } from './scenarios.ts';
import { spread } from './stats.ts';
import { startBare } from './world/bare.ts';
import { forkScript } from './world/fork.ts';
import { cpuMs, inGroup, pin } from './world/processes.ts';

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

/** Measures each step in turns, beside the one that only forwards in the same round. */
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
      step: Step,
      connections: number,
      durationMs: number,
      requests = Number.POSITIVE_INFINITY,
    ): Promise<Cost> => {
      signal.throwIfAborted();
      const { shot } = SCENARIOS.find(({ name }) => name === step.scenario)!;
      const actors = Math.min(ACTORS, ACTORS_EACH * connections);
      const most = Math.min(requests, step.name === 'afresh' ? MOST_AFRESH : requests);
      const before = cpuMs(pid);
      const { answered, statuses, latency } = await generator.run({
        ...{ port: worker.port, tokens: [], connections, durationMs },
        ...(most === Number.POSITIVE_INFINITY ? {} : { most }),
        shot: { ...shot, path: `/${step.name}:${actors}${shot.path}` },
      });
      if (statuses['200'] !== answered) {
        throw new Error(`the floor failed where it ${step.text}: ${JSON.stringify(statuses)}`);
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
      const over = (of: (cost: Cost, forwarding: Cost) => number, at: number) => {
        const beside = STEPS.findIndex(({ name }) => name === STEPS[at]!.beside);
        return spread(all.map((round) => of(round[at]!, round[beside]!)));
      };
      floors.push(
        ...STEPS.map(({ text }, at) => ({
          text,
          connections,
          cpuUs: over(({ cpuUs }) => cpuUs, at),
          ratio: over(({ cpuUs }, forwarding) => cpuUs / forwarding.cpuUs, at),
          addedP50: over(({ p50 }, forwarding) => p50 - forwarding.p50, at),
          addedP99: over(({ p99 }, forwarding) => p99 - forwarding.p99, at),
        })),
      );
    }
    return floors;
  } finally {
    for (const part of parts) await part.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
