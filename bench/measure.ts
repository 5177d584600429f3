import type { Io } from '../scripts/lib/command.ts';
import type { Interval, Load } from './load/types.ts';
import { LOW_LIMIT, type Scenario } from './scenarios.ts';
import { exceeds } from './world/limit.ts';
import { cpuMs, residentBytes } from './world/processes.ts';
import { jobOf, type Target, WINDOW_MS, type World } from './world/world.ts';

/** What one stretch of load cost and how it went. */
export interface Sample {
  readonly requests: number;
  readonly perSecond: number;
  /** CPU of the workerd process for each request, in microseconds; flushing what was recorded is in it. */
  readonly cpuUs: number;
  /** Milliseconds. */
  readonly latency: Load['latency'];
  /** The most that the process held meanwhile. */
  readonly residentBytes: number;
}

/** A measurement of the gateway between two of the null proxy. */
export interface Round {
  readonly before: Sample;
  readonly gateway: Sample;
  readonly after: Sample;
  /** Why it counts for nothing; absent: it counts. */
  readonly fault?: string;
}

export interface Cell {
  readonly scenario: string;
  readonly connections: number;
  readonly rounds: readonly Round[];
}

export interface CellOptions {
  readonly scenario: Scenario;
  readonly connections: number;
  readonly rounds: number;
  readonly roundMs: number;
  /** A token for each actor, none where nobody proves who they are. */
  readonly tokens: readonly string[];
  /** Requests of the warm-up. */
  readonly warm: number;
  /** There are so many actors that each finds its objects closed: that is what is measured. */
  readonly seldom?: boolean;
}

/** Times of what was admitted in the limited scenario so far, over all cells: limits do not begin anew with a cell. */
export type Admitted = Interval[];

/** Lines of the gateway's log that are shown when a round fails. */
const SHOWN = 5;
/** A warm-up is made in stretches of so many requests, of which none takes longer, however slow the first ones are. */
const STRETCH = 10_000;
const WARM_MS = 600_000;
/**
 * workerd closes an object that nobody asked for 10 s. Between two rounds of the gateway lie one of the null proxy and the
 * wait for the records: actors keep their gates open who all come in each round, if that takes no longer than this.
 */
const LONGEST_MS = 4000;
/** Where rounds are short and actors few, it does not matter. */
const SHORTEST_MS = 2000;
/** On a machine that is slower than that, gates are closed and opened in the rounds, too. */
const PATIENCE_MS = 60_000;
/** The null proxy knows no actors. */
const WARM_PLAIN = 2000;

/** Measures the gateway and the null proxy in turns, after a warm-up of each in which every actor comes at least once. */
export async function measureCell(
  world: World,
  io: Io,
  admitted: Admitted,
  options: CellOptions,
): Promise<Cell> {
  const { scenario, connections, roundMs, tokens, warm } = options;
  io.note(`${scenario.name}, ${connections} connections`);
  const load = (target: Target, durationMs: number, most?: number, from = 0) =>
    world.generator.run(
      jobOf(scenario, target, { tokens, from, connections, durationMs, ...(most ? { most } : {}) }),
    );
  const { logs } = world.rig;
  /** To the gateway, so far: each job goes on with the actor at whom the one before ended. */
  let sent = 0;
  const governed = async (durationMs: number, most?: number) => {
    const said = logs.length;
    const sample = await take(world.gateway, async () => {
      const fired = await load(world.gateway, durationMs, most, sent % Math.max(1, tokens.length));
      sent += fired.answered;
      const unrecorded = await world.ledger.settle(fired.answered, scenario.coalesced);
      admitted.push(...(fired.intervals ?? []));
      return { fired, fault: unrecorded };
    });
    const faults = [faultOf(scenario, sample.fired, admitted), sample.fault].filter(Boolean);
    if (faults.length > 0) for (const line of logs.slice(said, said + SHOWN)) io.note(`  gateway: ${line}`);
    return { ...sample, fault: faults.length === 0 ? undefined : faults.join('; ') };
  };
  const plain = async (durationMs: number, most?: number) => {
    const { sample, fired } = await take(world.proxy, async () => {
      return { fired: await load(world.proxy, durationMs, most), fault: undefined };
    });
    if (Object.keys(fired.errors).length > 0 || fired.statuses['200'] !== fired.answered)
      throw new Error('the null proxy failed');
    return sample;
  };
  /** Goes on until all actors come soon enough after each other. */
  const keepsOpen = async () => {
    const end = performance.now() + PATIENCE_MS;
    const most = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, roundMs));
    for (let turnMs = Number.POSITIVE_INFINITY; turnMs > most; ) {
      if (performance.now() > end) return false;
      const { sample } = await governed(WARM_MS, Math.max(1, tokens.length));
      turnMs = (sample.requests / sample.perSecond) * 1000;
    }
    return true;
  };
  await plain(WARM_MS, Math.min(warm, WARM_PLAIN));
  while (sent < warm) {
    const { fired, fault } = await governed(WARM_MS, Math.min(STRETCH, warm - sent));
    if (fault) io.note(`  warm-up: ${fault}`);
    if (fired.answered === 0) throw new Error('the gateway answered nothing');
    if (warm > STRETCH) io.note(`  ${sent} of ${warm} requests of the warm-up`);
  }
  if (!options.seldom && !(await keepsOpen()))
    io.note('  its actors come so seldom that their gates are closed in between');

  const rounds: Round[] = [];
  let before = await plain(roundMs);
  for (let i = 0; i < options.rounds; i++) {
    const { sample: gateway, fault } = await governed(roundMs);
    const after = await plain(roundMs);
    rounds.push({ before, gateway, after, ...(fault ? { fault } : {}) });
    if (fault) io.note(`  round ${i + 1} counts for nothing: ${fault}`);
    before = after;
  }
  return { scenario: scenario.name, connections, rounds };
}

interface Fired {
  readonly fired: Load;
  readonly fault: string | undefined;
}

async function take({ pid }: Target, run: () => Promise<Fired>): Promise<Fired & { sample: Sample }> {
  let most = residentBytes(pid);
  const watch = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, 200);
  try {
    const before = cpuMs(pid);
    const { fired, fault } = await run();
    const { answered, elapsedMs, latency } = fired;
    const sample: Sample = {
      requests: answered,
      perSecond: (answered / elapsedMs) * 1000,
      cpuUs: ((cpuMs(pid) - before) / answered) * 1000,
      latency,
      residentBytes: most,
    };
    return { sample, fired, fault };
  } finally {
    clearInterval(watch);
  }
}

/** What makes a round of the gateway count for nothing. */
function faultOf(scenario: Scenario, fired: Load, admitted: Admitted): string | undefined {
  const { statuses, errors, answered } = fired;
  if (answered === 0) return 'nothing was answered';
  if (Object.keys(errors).length > 0) return `connections broke: ${JSON.stringify(errors)}`;
  if (!isAsWanted(scenario, fired)) return `statuses were ${JSON.stringify(statuses)}`;
  const exceeded = exceeds(admitted, LOW_LIMIT, WINDOW_MS);
  return exceeded === undefined ? undefined : `actor ${exceeded} was admitted past the limit`;
}

function isAsWanted({ status, also }: Scenario, { statuses, answered }: Load): boolean {
  const count = (one: number | undefined) => statuses[one ?? ''] ?? 0;
  return count(status) > 0 && count(status) + count(also) === answered;
}
