import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Io } from '../scripts/lib/command.ts';
import type { Fill, Filled } from './fill/types.ts';
import { type Cell, measureCell } from './measure.ts';
import type { Scale } from './parts.ts';
import { LIST } from './scenarios.ts';
import { summarise } from './summary.ts';
import { forkScript } from './world/fork.ts';
import { pin } from './world/processes.ts';
import { withWorld } from './world/with-world.ts';
import type { World } from './world/world.ts';

export interface ScaleOptions {
  readonly rounds: number;
  readonly roundMs: number;
  /** How many there are in the end. */
  readonly tenants: number;
  /** How long a log is in the end. */
  readonly records: number;
}

const ACTIVE = 32;
/** So few that each comes several times in a round: gates that are closed in between would hide what is looked for. */
const ASKING = 256;
const CONNECTIONS = 32;
/**
 * Starts of the gateway that a figure is the median over, if it is held against another: a start of workerd costs up to an
 * eighth more or less than the next of the same, for as long as it runs.
 */
const STARTS = 3;
/** Requests before the first that counts: so many until V8 has compiled what all of them run. */
const WARM = 10_000;
/** Records of a log are made in stretches of so many, each held against the ledger. */
const STRETCH = 100_000;

const tenant = (i: number) => `tenant-${i}`;

/** What a read costs when there are many tenants, when all of them ask, and when a log is long. */
export async function measureScale(io: Io, signal: AbortSignal, options: ScaleOptions): Promise<Scale[]> {
  const many = await withWorld(io, signal, { tenants: ['*'] }, (world) => withTenants(world, io, options));
  const long = await withWorld(io, signal, { tenants: ['*'] }, (world) =>
    withRecords(world, io, signal, options),
  );
  return [...many, ...long];
}

async function withTenants(world: World, io: Io, options: ScaleOptions): Promise<Scale[]> {
  const { tenants } = options;
  const few = await overStarts(world, io, options, (i) => i % ACTIVE);
  const all = await tokensOf(world, tenants, (i) => i);
  const spread = ratioOf([await measure(world, io, { ...options, seldom: true }, all)]);
  const among = await overStarts(world, io, options, (i) => i % ACTIVE);
  return [
    { name: 'tenants', size: tenants, ratio: among, beside: among / few },
    { name: 'spread', size: tenants, ratio: spread, beside: spread / few },
  ];
}

/** Waits until each log has its checkpoint: a tenant that only exists has none due, which is work of the last requests. */
async function allSigned({ rig }: World, io: Io): Promise<void> {
  const owner = await rig.database.as('audit_owner');
  for (let turn = 0; ; turn++) {
    const { rows } = await owner.query<{ open: string }>(
      `select count(*) as open from audit.log_head h where not exists
         (select from audit.checkpoint c where c.log = h.log and c.size >= h.head)`,
    );
    const open = Number(rows[0]!.open);
    if (open === 0) return;
    if (turn % 30 === 0) io.note(`  ${open} logs have a checkpoint due`);
    await sleep(1000);
  }
}

async function withRecords(
  world: World,
  io: Io,
  signal: AbortSignal,
  options: ScaleOptions,
): Promise<Scale[]> {
  const { records } = options;
  const empty = await overStarts(world, io, options, () => 0);
  await world.pause(() => fill(world, io, signal, records));
  const long = await overStarts(world, io, options, () => 0);
  return [{ name: 'records', size: records, ratio: long, beside: long / empty }];
}

/** Makes the one log so long, in the gateway's storage and in Postgres, while the gateway is down. */
async function fill({ rig, ledger }: World, io: Io, signal: AbortSignal, records: number): Promise<void> {
  const log = {
    file: await onlyLog(join(rig.dir, 'objects', 'objects')),
    tenant: tenant(0),
    writerUrl: rig.database.url('audit_writer'),
    endpoint: rig.neon.url,
  };
  const filler = await forkScript<Filled>('fill/main.ts', signal);
  try {
    pin(filler.pid, 'measured');
    for (let size = 0; size < records; ) {
      size = Math.min(records, size + STRETCH);
      const { appended } = await filler.ask({ ...log, size } satisfies Fill);
      const fault = await ledger.settle(appended);
      if (fault) throw new Error(fault);
      io.note(`  ${size} records`);
    }
  } finally {
    await filler.stop();
  }
}

/** The storage of the one object that holds an audit log. */
async function onlyLog(objects: string): Promise<string> {
  const folder = (await readdir(objects)).find((name) => name.endsWith('-AuditLog'));
  const files = folder === undefined ? [] : (await readdir(join(objects, folder))).filter(isObject);
  if (files.length !== 1) throw new Error(`${files.length} logs where there must be one`);
  return join(objects, folder!, files[0]!);
}

const isObject = (name: string) => name.endsWith('.sqlite') && name !== 'metadata.sqlite';

/** A token for each actor, in the tenant that he is of. */
function tokensOf({ rig }: World, count: number, tenantOf: (i: number) => number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => rig.token(tenant(tenantOf(i)), 'agent-reader', `actor-${i}`)),
  );
}

/** What actors of these tenants cost, each time in a gateway that has just begun. */
async function overStarts(
  world: World,
  io: Io,
  options: ScaleOptions,
  tenantOf: (i: number) => number,
): Promise<number> {
  const cells: Cell[] = [];
  for (let start = 0; start < STARTS; start++) {
    // To exist is to lie in storage: what was asked last is still being closed, minutes later, and nobody asks it again.
    await world.pause(async () => {});
    await allSigned(world, io);
    cells.push(await measure(world, io, options, await tokensOf(world, ASKING, tenantOf)));
  }
  return ratioOf(cells);
}

function measure(
  world: World,
  io: Io,
  { rounds, roundMs, seldom = false }: ScaleOptions & { readonly seldom?: boolean },
  tokens: readonly string[],
): Promise<Cell> {
  const warm = Math.max(tokens.length, WARM);
  return measureCell(world, io, [], {
    ...{ scenario: LIST, connections: CONNECTIONS, rounds, roundMs, tokens, warm, seldom },
  });
}

/** The median over the rounds of all cells. @throws Error when none counts. */
function ratioOf(cells: readonly Cell[]): number {
  const line = summarise({ ...cells[0]!, rounds: cells.flatMap(({ rounds }) => rounds) });
  if (!line) throw new Error('no round counts');
  return line.ratio.median;
}
