import type { Io } from '../scripts/lib/command.ts';
import { type Cell, measureCell } from './measure.ts';
import type { Scale } from './parts.ts';
import { ACTORS, LIST } from './scenarios.ts';
import { summarise } from './summary.ts';
import { withWorld } from './world/with-world.ts';
import { jobOf, type World } from './world/world.ts';

export interface ScaleOptions {
  readonly rounds: number;
  readonly roundMs: number;
  /** How many there are in the end. */
  readonly tenants: number;
  /** How long a log is in the end. */
  readonly records: number;
}

const ACTIVE = 32;
const CONNECTIONS = 32;
/** Records of a log are made in stretches of so many requests, each held against the ledger. */
const STRETCH = 20_000;

/** What a read costs when there are many tenants, when all of them ask, and when a log is long. */
export async function measureScale(io: Io, signal: AbortSignal, options: ScaleOptions): Promise<Scale[]> {
  const many = await withWorld(io, signal, { tenants: ['*'] }, (world) => withTenants(world, io, options));
  const long = await withWorld(io, signal, { tenants: ['*'] }, (world) => withRecords(world, io, options));
  return [...many, ...long];
}

async function withTenants(world: World, io: Io, options: ScaleOptions): Promise<Scale[]> {
  const { tenants } = options;
  const each = Math.ceil(ACTORS / ACTIVE);
  const active = await tokensOf(world, ACTIVE * each, (i) => i % ACTIVE);
  const few = await ratioOf(world, io, options, active);
  const all = await tokensOf(world, tenants, (i) => i);
  const spread = await ratioOf(world, io, options, all);
  const among = await ratioOf(world, io, options, active);
  return [
    { name: 'tenants', size: tenants, ratio: among, beside: among / few },
    { name: 'spread', size: tenants, ratio: spread, beside: spread / few },
  ];
}

async function withRecords(world: World, io: Io, options: ScaleOptions): Promise<Scale[]> {
  const { records } = options;
  const { generator, gateway, ledger } = world;
  const tokens = await tokensOf(world, ACTORS, () => 0);
  const empty = await ratioOf(world, io, options, tokens);
  let filled = 0;
  while (filled < records) {
    const most = Math.min(STRETCH, records - filled);
    const load = { tokens, connections: CONNECTIONS, durationMs: 600_000, most };
    const { answered } = await generator.run(jobOf(LIST, gateway, load));
    const fault = await ledger.settle(answered);
    if (fault) throw new Error(fault);
    filled += answered;
    io.note(`  ${filled} records`);
  }
  const long = await ratioOf(world, io, options, await tokensOf(world, ACTORS, () => 0));
  return [{ name: 'records', size: records, ratio: long, beside: long / empty }];
}

/** A token for each actor, in the tenant that he is of. */
function tokensOf({ rig }: World, count: number, tenantOf: (i: number) => number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => rig.token(`tenant-${tenantOf(i)}`, 'agent-reader', `actor-${i}`)),
  );
}

async function ratioOf(
  world: World,
  io: Io,
  { rounds, roundMs }: ScaleOptions,
  tokens: readonly string[],
): Promise<number> {
  const cell: Cell = await measureCell(world, io, [], {
    ...{ scenario: LIST, connections: CONNECTIONS, rounds, roundMs, tokens, warm: tokens.length },
  });
  const line = summarise(cell);
  if (!line) throw new Error('no round counts');
  return line.ratio.median;
}
