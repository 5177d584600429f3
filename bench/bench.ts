import { freePort } from '../local/ports.ts';
import type { Io } from '../scripts/lib/command.ts';
import { measureBuild } from './build.ts';
import { type CellsOptions, measureCells } from './cells.ts';
import { measureFloor } from './floor.ts';
import type { MicroLine } from './micro/types.ts';
import { type ProfileOptions, profile } from './profile/profile.ts';
import { commit, describeMachine, type Results, save } from './results.ts';
import { measureScale, type ScaleOptions } from './scale.ts';
import { measureSink } from './sink.ts';
import { describe, summarise } from './summary.ts';
import { measureVerification } from './verification.ts';
import { forkScript } from './world/fork.ts';
import { canPin, coreCount } from './world/processes.ts';
import { interruptible, withWorld } from './world/with-world.ts';
import type { WorldOptions } from './world/world.ts';

/** What a run can measure. `scale` takes hours at its full size, so a run has it only when it is asked for. */
export const PARTS = ['load', 'floor', 'micro', 'build', 'verify', 'sink', 'scale'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions extends CellsOptions, ScaleOptions {
  readonly parts: readonly Part[];
}

/** So that nothing is waited for. */
const SMOKE: WorldOptions = { env: { AUDIT_FLUSH_INTERVAL_MS: '50' } };
const BACKLOG = 12_000;
/** What the goal is set for. */
const VERIFIED = 1_000_000;

/**
 * Runs the bench and prints it. False: a round failed, or a cell has none that counts.
 * @throws CommandError when it was broken off.
 */
export async function runBench(io: Io, options: BenchOptions): Promise<boolean> {
  const { parts, rounds, roundMs, smoke } = options;
  const machine = await describeMachine(coreCount(), canPin());
  const has = (part: Part) => parts.includes(part);
  const at = new Date().toISOString();
  const { cells, fault, ...rest } = await interruptible(async (signal) => {
    const floor = has('floor') ? await measureFloor(io, signal, { rounds, roundMs }) : undefined;
    const micro = has('micro') ? await measureMicro(io, signal) : undefined;
    const build = has('build') ? await measureBuild(io, rounds, signal) : undefined;
    const verification = has('verify') ? await measureVerification(io, signal, VERIFIED) : undefined;
    const world = <T>(use: Parameters<typeof withWorld<T>>[3]) =>
      withWorld(io, signal, smoke ? SMOKE : {}, use);
    const none = { cells: [], refusals: undefined, fault: undefined };
    const load = has('load') ? await world((started) => measureCells(started, io, options)) : none;
    const sink = has('sink')
      ? await world((started) => measureSink(started, io, { rounds, backlog: BACKLOG }))
      : undefined;
    const scale = has('scale') ? await measureScale(io, signal, options) : undefined;
    return { ...load, floor, micro, build, verification, sink, scale };
  });
  const lines = cells.flatMap((cell) => summarise(cell) ?? []);
  const results: Results = {
    ...{ version: 1, at, commit: commit(), machine, roundMs, lines, cells, ...rest },
  };
  if (io.json) io.out(JSON.stringify(results));
  else for (const line of describe(results)) io.out(line);
  if (fault) io.note(`The refusals count for nothing: ${fault}.`);
  if (!smoke) io.note(`Kept in ${await save(results)}.`);
  const all = [...cells, ...(results.refusals ?? [])];
  const whole = all.every((cell) => cell.rounds.every((round) => round.fault === undefined));
  return whole && fault === undefined;
}

async function measureMicro(io: Io, signal: AbortSignal): Promise<readonly MicroLine[]> {
  io.note('Micro-benches');
  const micro = forkScript<{ readonly lines: readonly MicroLine[] }>('micro/main.ts', signal);
  const { ready, stop } = await micro;
  await stop();
  return ready.lines;
}

/** Profiles a scenario and prints what it found. @throws CommandError when it was broken off. */
export async function runProfile(io: Io, options: Omit<ProfileOptions, 'inspectorPort'>): Promise<void> {
  const inspectorPort = await freePort();
  const lines = await interruptible((signal) =>
    withWorld(io, signal, { inspectorPort }, (world) => profile(world, { ...options, inspectorPort })),
  );
  if (io.json) io.out(JSON.stringify(lines));
  else for (const line of lines) io.out(line);
}
