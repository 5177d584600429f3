import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError } from '../scripts/lib/command.ts';
import type { Cell } from './measure.ts';
import type { MicroLine } from './micro/types.ts';
import type { Build, Floor, Scale, Sink, Verification } from './parts.ts';
import type { Line } from './summary.ts';

/** Where results are kept. */
export const FOLDER = fileURLToPath(new URL('./results', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Linux' name for a file system in memory. */
const TMPFS = 0x01021994;

/** What it was measured on: figures of two machines are no comparison. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly workerd: string;
  /** Processes that wanted to run before the bench did: much above 0, and somebody else is at work. */
  readonly loadBefore: number;
  /** Whether the gateway had a core that load, upstream and Postgres did not use. */
  readonly pinned: boolean;
  /** Where the objects' storage was. */
  readonly storage: 'disk' | 'memory';
}

/** A run of the bench, as it is kept. */
export interface Results {
  readonly version: 1;
  /** ISO 8601. */
  readonly at: string;
  /** The commit, with `+` behind it when files had changed since. */
  readonly commit: string;
  readonly machine: Machine;
  readonly roundMs: number;
  readonly lines: readonly Line[];
  readonly cells: readonly Cell[];
  /** Refusals whose rounds are held against governed reads. Runs from before there were such have none. */
  readonly refusals?: readonly Cell[] | undefined;
  readonly floor?: readonly Floor[] | undefined;
  readonly micro?: readonly MicroLine[] | undefined;
  readonly sink?: Sink | undefined;
  readonly build?: Build | undefined;
  readonly verification?: Verification | undefined;
  readonly scale?: readonly Scale[] | undefined;
}

export async function describeMachine(cores: number, pinned: boolean): Promise<Machine> {
  const workerd = JSON.parse(
    await readFile(join(ROOT, 'node_modules', 'workerd', 'package.json'), 'utf8'),
  ) as { version: string };
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    workerd: workerd.version,
    loadBefore: loadavg()[0] ?? 0,
    pinned,
    storage: (await statfs(tmpdir())).type === TMPFS ? 'memory' : 'disk',
  };
}

export function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}

/** Writes a run where `newest` finds it. Returns the file. */
export async function save(results: Results): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const file = join(FOLDER, `${results.at.replaceAll(/[:.]/g, '-')}.json`);
  await writeFile(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

/** @throws CommandError when it is no run of the bench. */
export async function read(file: string): Promise<Results> {
  let value: Partial<Results>;
  try {
    value = JSON.parse(await readFile(file, 'utf8')) as Partial<Results>;
  } catch {
    throw new CommandError(`${file} cannot be read, or is not JSON.`, 2);
  }
  if (value?.version !== 1 || !Array.isArray(value.lines)) {
    throw new CommandError(`${file} holds no results of this bench.`, 2);
  }
  return value as Results;
}

/** The file of the newest run. @throws CommandError when there is none. */
export async function newest(): Promise<string> {
  const names = await readdir(FOLDER).catch(() => []);
  const last = names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1);
  if (last === undefined) throw new CommandError('There are no results yet: run `npm run bench` first.');
  return join(FOLDER, last);
}
