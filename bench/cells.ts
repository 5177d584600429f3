import type { Io } from '../scripts/lib/command.ts';
import { type Admitted, type Cell, measureCell } from './measure.ts';
import { ACTORS_EACH, type Scenario } from './scenarios.ts';
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

/** How long the last window's record may take to reach Postgres after the window is over. */
const SETTLE_MS = 30_000;

/** Every scenario at every number of connections; `fault` says why those that share records count for nothing. */
export async function measureCells(
  world: World,
  io: Io,
  { scenarios, connections, rounds, roundMs, actors, smoke }: CellsOptions,
): Promise<{ readonly cells: readonly Cell[]; readonly fault: string | undefined }> {
  const cells: Cell[] = [];
  const admitted: Admitted = [];
  for (const scenario of scenarios) {
    const all = await world.tokens(scenario, actors);
    for (const count of connections) {
      const tokens = all.slice(0, ACTORS_EACH * count);
      const warm = scenario.warmUp ?? Math.max(tokens.length, actors >> 1);
      const options = { scenario, connections: count, rounds, roundMs, tokens, warm };
      cells.push(await measureCell(world, io, admitted, options));
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
