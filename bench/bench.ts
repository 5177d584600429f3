import { freePort } from '../local/ports.ts';
import { CommandError, type Io } from '../scripts/lib/command.ts';
import { type Admitted, type Cell, measureCell } from './measure.ts';
import { type ProfileOptions, profile } from './profile/profile.ts';
import { commit, describeMachine, type Results, save } from './results.ts';
import type { Scenario } from './scenarios.ts';
import { summarise, table } from './summary.ts';
import { canPin, coreCount } from './world/processes.ts';
import { startWorld, WINDOW_MS, type World, type WorldOptions } from './world/world.ts';

export interface BenchOptions {
  readonly scenarios: readonly Scenario[];
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly actors: number;
  /** Correctness alone: nothing is kept, and open windows are not waited for. */
  readonly smoke: boolean;
}

/** So that nothing is waited for. */
const SMOKE: WorldOptions = { env: { AUDIT_FLUSH_INTERVAL_MS: '50' } };

/** How long the last window's record may take to reach Postgres after the window is over. */
const SETTLE_MS = 30_000;

/**
 * Runs the bench and prints it. False: a round failed, or a cell has none that counts.
 * @throws CommandError when it was broken off.
 */
export async function runBench(io: Io, options: BenchOptions): Promise<boolean> {
  const machine = await describeMachine(coreCount(), canPin());
  const at = new Date().toISOString();
  const { cells, fault } = await withWorld(io, options.smoke ? SMOKE : {}, (world) =>
    measure(world, io, options),
  );
  const lines = cells.flatMap((cell) => summarise(cell) ?? []);
  const results: Results = {
    ...{ version: 1, at, commit: commit(), machine, roundMs: options.roundMs, lines, cells },
  };
  if (io.json) io.out(JSON.stringify(results));
  else for (const line of table(lines)) io.out(line);
  if (fault) io.note(`The refusals count for nothing: ${fault}.`);
  if (!options.smoke) io.note(`Kept in ${await save(results)}.`);
  const whole = cells.every(({ rounds }) => rounds.every((round) => round.fault === undefined));
  return whole && fault === undefined;
}

async function measure(
  world: World,
  io: Io,
  { scenarios, connections, smoke, ...rest }: BenchOptions,
): Promise<{ readonly cells: readonly Cell[]; readonly fault: string | undefined }> {
  const cells: Cell[] = [];
  const admitted: Admitted = [];
  const note = (line: string) => io.note(line);
  for (const scenario of scenarios) {
    for (const count of connections) {
      io.note(`${scenario.name}, ${count} connections`);
      cells.push(await measureCell(world, admitted, { scenario, connections: count, ...rest, note }));
    }
  }
  const coalesced = scenarios.filter((scenario) => scenario.coalesced);
  if (smoke || coalesced.length === 0) return { cells, fault: undefined };
  io.note('Waiting for the last window of the refusals to close.');
  const fault = await world.ledger.settleAll(WINDOW_MS + SETTLE_MS);
  const refusals = new Set(coalesced.map(({ name }) => name));
  const judged = cells.map((cell) =>
    fault && refusals.has(cell.scenario)
      ? { ...cell, rounds: cell.rounds.map((round) => ({ ...round, fault })) }
      : cell,
  );
  return { cells: judged, fault };
}

/** Profiles a scenario and prints what it found. @throws CommandError when it was broken off. */
export async function runProfile(io: Io, options: Omit<ProfileOptions, 'inspectorPort'>): Promise<void> {
  const inspectorPort = await freePort();
  const lines = await withWorld(io, { inspectorPort }, (world) =>
    profile(world, { ...options, inspectorPort }),
  );
  if (io.json) io.out(JSON.stringify(lines));
  else for (const line of lines) io.out(line);
}

/** Starts everything, and ends it whatever happens; also on Ctrl-C. */
async function withWorld<T>(io: Io, options: WorldOptions, use: (world: World) => Promise<T>): Promise<T> {
  const broken = Promise.withResolvers<never>();
  const interrupt = () => broken.reject(new CommandError('Broken off.', 130));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  io.note('Starting Postgres, the gateway, the null proxy and the upstream.');
  const starting = startWorld(options);
  try {
    const world = await Promise.race([starting, broken.promise]);
    return await Promise.race([use(world), broken.promise]);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, interrupt);
    await (await starting.catch(() => undefined))?.stop();
  }
}
