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

/** A stretch of load. */
export interface Taken {
  readonly sample: Sample;
  /** Why it counts for nothing. */
  readonly fault: string | undefined;
}

/** Load of one scenario on one target, a stretch at a time. */
export interface Driver {
  /** Fires for so long, or until so many requests are answered. */
  run(durationMs: number, most?: number): Promise<Taken>;
}

export interface DriverOptions {
  readonly scenario: Scenario;
  readonly connections: number;
  /** A token for each actor, none where nobody proves who they are. */
  readonly tokens: readonly string[];
}

/** Times of what was admitted in the limited scenario so far, over all cells: limits do not begin anew with a cell. */
export type Admitted = Interval[];

/** Lines of the gateway's log that are shown when a stretch fails. */
const SHOWN = 5;

/** Load on the gateway: each stretch goes on with the actor at whom the one before ended, and ends when all is recorded. */
export function driveGateway(world: World, io: Io, admitted: Admitted, options: DriverOptions): Driver {
  const { scenario, tokens } = options;
  const { logs } = world.rig;
  let sent = 0;
  return {
    async run(durationMs, most) {
      const said = logs.length;
      const job = { ...load(options, durationMs, most), from: sent % Math.max(1, tokens.length) };
      const taken = await take(world.gateway, async () => {
        const fired = await world.generator.run(jobOf(scenario, world.gateway, job));
        sent += fired.answered;
        const unrecorded = await world.ledger.settle(fired.answered, scenario.coalesced);
        admitted.push(...(fired.intervals ?? []));
        const faults = [faultOf(scenario, fired, admitted), unrecorded].filter(Boolean);
        return { fired, fault: faults.length === 0 ? undefined : faults.join('; ') };
      });
      if (taken.fault) for (const line of logs.slice(said, said + SHOWN)) io.note(`  gateway: ${line}`);
      return taken;
    },
  };
}

/** The same load on the null proxy, which knows no actors. A stretch that it fails is an error. */
export function driveProxy(world: World, options: DriverOptions): Driver {
  return {
    run: (durationMs, most) =>
      take(world.proxy, async () => {
        const job = { ...load(options, durationMs, most), from: 0 };
        const fired = await world.generator.run(jobOf(options.scenario, world.proxy, job));
        if (Object.keys(fired.errors).length > 0 || fired.statuses['200'] !== fired.answered)
          throw new Error('the null proxy failed');
        return { fired, fault: undefined };
      }),
  };
}

function load({ tokens, connections }: DriverOptions, durationMs: number, most: number | undefined) {
  return { tokens, connections, durationMs, ...(most === undefined ? {} : { most }) };
}

interface Fired {
  readonly fired: Load;
  readonly fault: string | undefined;
}

async function take({ pid }: Target, run: () => Promise<Fired>): Promise<Taken> {
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
    return { sample, fault };
  } finally {
    clearInterval(watch);
  }
}

/** What makes a stretch of the gateway's count for nothing. */
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
