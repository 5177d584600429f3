import type { Io } from '../scripts/lib/command.ts';
import type { Admitted } from './driver.ts';
import { type Cell, type CellOptions, measureBeside, measureCell } from './measure.ts';
import { ACTORS_EACH, READ, type Scenario } from './scenarios.ts';
import { WINDOW_MS, type World } from './world/world.ts';

export interface CellsOptions {
  readonly scenarios: readonly Scenario[];
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly actors: number;
  /** Correctness alone: nothing is kept, and open windows are not waited for. */
  readonly smoke: boolean;
}

export interface Cells {
  readonly cells: readonly Cell[];
  /** Refusals, whose rounds are held against governed reads and not the null proxy. */
  readonly refusals: readonly Cell[];
  /** Why what shares records counts for nothing. */
  readonly fault: string | undefined;
}

/** Where refusals are held against reads, or at the most connections that there are. */
const BESIDE_READS = 32;
/** How long the last window's record may take to reach Postgres after the window is over. */
const SETTLE_MS = 30_000;
/** So few that all come in each round, however short: gates close while the neighbour has its turn, and open again at a price. */
const BESIDE_ACTORS_EACH = 10;

/** Every scenario at every number of connections, and each refusal beside governed reads. */
export async function measureCells(
  world: World,
  io: Io,
  { scenarios, connections, rounds, roundMs, actors, smoke }: CellsOptions,
): Promise<Cells> {
  const admitted: Admitted = [];
  const optionsOf = (scenario: Scenario, count: number, tokens: readonly string[]): CellOptions => {
    const warm = scenario.warmUp ?? Math.max(tokens.length, actors >> 1);
    return { scenario, connections: count, rounds, roundMs, tokens, warm };
  };
  const cells: Cell[] = [];
  for (const scenario of scenarios) {
    const all = await world.tokens(scenario, actors);
    for (const count of connections) {
      const tokens = all.slice(0, ACTORS_EACH * count);
      cells.push(await measureCell(world, io, admitted, optionsOf(scenario, count, tokens)));
    }
  }
  const refused = scenarios.filter(({ status }) => status >= 400);
  const count = connections.includes(BESIDE_READS) ? BESIDE_READS : Math.max(...connections);
  const refusals: Cell[] = [];
  if (refused.length > 0) {
    const few = Math.min(actors, BESIDE_ACTORS_EACH * count);
    const reads = optionsOf(READ, count, await world.tokens(READ, few));
    for (const scenario of refused) {
      const options = optionsOf(scenario, count, await world.tokens(scenario, few));
      refusals.push(await measureBeside(world, io, admitted, options, reads));
    }
  }
  const coalesced = new Set(scenarios.filter((one) => one.coalesced).map(({ name }) => name));
  if (smoke || coalesced.size === 0) return { cells, refusals, fault: undefined };
  io.note('Waiting for the last window of the refusals to close.');
  const fault = await world.ledger.settleAll(WINDOW_MS + SETTLE_MS);
  const judge = (cell: Cell): Cell =>
    fault && coalesced.has(cell.scenario)
      ? { ...cell, rounds: cell.rounds.map((round) => ({ ...round, fault })) }
      : cell;
  return { cells: cells.map(judge), refusals: refusals.map(judge), fault };
}
