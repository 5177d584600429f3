import type { Io } from '../scripts/lib/command.ts';
import {
  type Admitted,
  type Driver,
  type DriverOptions,
  driveGateway,
  driveProxy,
  type Sample,
} from './driver.ts';
import type { World } from './world/world.ts';

/** A measurement of the gateway between two of what it is held against: the null proxy, or reads of the gateway's own. */
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

export interface CellOptions extends DriverOptions {
  readonly rounds: number;
  readonly roundMs: number;
  /** Requests of the warm-up. */
  readonly warm: number;
  /** There are so many actors that each finds its objects closed: that is what is measured. */
  readonly seldom?: boolean;
}

/** A warm-up is made in stretches of so many requests, of which none takes longer, however slow the first ones are. */
const STRETCH = 10_000;
const WARM_MS = 600_000;
/**
 * workerd closes an object that nobody asked for 10 s. Between two rounds of the gateway lie one of its neighbour and the
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
  const { scenario, connections, warm } = options;
  io.note(`${scenario.name}, ${connections} connections`);
  const proxy = driveProxy(world, options);
  const gateway = driveGateway(world, io, admitted, options);
  await proxy.run(WARM_MS, Math.min(warm, WARM_PLAIN));
  await warmUp(gateway, io, options);
  return { scenario: scenario.name, connections, rounds: await inTurns(gateway, proxy, io, options) };
}

/** Measures refusals and governed reads in turns: cells that are minutes apart say little of one against the other. */
export async function measureBeside(
  world: World,
  io: Io,
  admitted: Admitted,
  options: CellOptions,
  reads: CellOptions,
): Promise<Cell> {
  const { scenario, connections } = options;
  io.note(`${scenario.name} beside ${reads.scenario.name}, ${connections} connections`);
  const refused = driveGateway(world, io, admitted, options);
  const read = driveGateway(world, io, admitted, reads);
  await warmUp(refused, io, options);
  await warmUp(read, io, reads);
  return { scenario: scenario.name, connections, rounds: await inTurns(refused, read, io, options) };
}

async function warmUp(gateway: Driver, io: Io, options: CellOptions): Promise<void> {
  const { warm } = options;
  for (let sent = 0; sent < warm; ) {
    const { sample, fault } = await gateway.run(WARM_MS, Math.min(STRETCH, warm - sent));
    if (fault) io.note(`  warm-up: ${fault}`);
    if (sample.requests === 0) throw new Error('the gateway answered nothing');
    sent += sample.requests;
    if (warm > STRETCH) io.note(`  ${sent} of ${warm} requests of the warm-up`);
  }
  if (!options.seldom && !(await keepsOpen(gateway, options)))
    io.note('  its actors come so seldom that their gates are closed in between');
}

/** Goes on until all actors come soon enough after each other; false when they never do. */
async function keepsOpen(gateway: Driver, { roundMs, tokens }: CellOptions): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS;
  const most = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, roundMs));
  for (let turnMs = Number.POSITIVE_INFINITY; turnMs > most; ) {
    if (performance.now() > end) return false;
    const { sample } = await gateway.run(WARM_MS, Math.max(1, tokens.length));
    turnMs = (sample.requests / sample.perSecond) * 1000;
  }
  return true;
}

/** Neighbour, gateway, neighbour, gateway, …, neighbour. */
async function inTurns(
  gateway: Driver,
  neighbour: Driver,
  io: Io,
  { rounds, roundMs }: CellOptions,
): Promise<Round[]> {
  const taken: Round[] = [];
  let before = await neighbour.run(roundMs);
  for (let i = 0; i < rounds; i++) {
    const own = await gateway.run(roundMs);
    const after = await neighbour.run(roundMs);
    const fault = [own, before, after].find((each) => each.fault !== undefined)?.fault;
    taken.push({
      ...{ before: before.sample, gateway: own.sample, after: after.sample },
      ...(fault === undefined ? {} : { fault }),
    });
    if (fault) io.note(`  round ${i + 1} counts for nothing: ${fault}`);
    before = after;
  }
  return taken;
}
