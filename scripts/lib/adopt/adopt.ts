import { CommandError } from '../command.ts';
import type { Journal, Moves } from './journal.ts';
import type { Mapping } from './mapping.ts';
import { Mover, sha256 } from './move.ts';
import type { Store } from './store.ts';
import { type Survey, survey } from './survey.ts';

/** For this long after an addition was asked for, one that was not answered may still come to be. */
const UNDER_WAY_MS = 5_000;

export interface AdoptParts {
  readonly store: Store;
  readonly mapping: Mapping;
  readonly journal: Journal;
  /** Said after each memory that was moved: how many by this run, and of how many that its round found. */
  readonly moved: (done: number, of: number) => void;
  /** Aborted: stop behind the memory in hand. */
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

/** What was moved to a tenant: how many memories, and SHA-256 over the sorted digests of their texts. */
export interface Adopted {
  readonly tenant: string;
  readonly memories: number;
  readonly texts: string;
}

export interface Result {
  readonly tenants: readonly Adopted[];
  /** Copies that came to be behind an answer that was lost, and were taken back. */
  readonly late: number;
  /** Mem0 showed only part of what it has, and there may be memories which are not moved. */
  readonly hidden: boolean;
}

/**
 * Moves every memory, in rounds, until no list shows one that is not in its tenant's namespace.
 * @throws CommandError at the first thing that is not as it should be; what is in the journal can be resumed.
 */
export async function adopt(parts: AdoptParts): Promise<Result> {
  const { store, mapping, journal, moved, signal, now = Date.now, sleep = wait } = parts;
  const mover = new Mover({ store, mapping, journal, now });
  for (const [id, move] of [...journal.moves.all]) {
    if (move.done) continue;
    halt(signal);
    if (move.added === undefined) await sleep(Math.min(UNDER_WAY_MS, move.at + UNDER_WAY_MS - now()));
    await named(id, mover.resume(id, move));
  }
  let done = 0;
  for (;;) {
    const found = await survey(store, mapping, journal.moves.added);
    refuseStuck(found);
    if (found.moving.length === 0) {
      return { late: await sweep(parts, mover), hidden: found.hidden, tenants: summaryOf(journal.moves) };
    }
    const all = done + found.moving.length;
    for (const { id, tenant } of found.moving) {
      halt(signal);
      // One that is listed although it was removed is not moved twice.
      if (journal.moves.all.get(id)?.done)
        throw new CommandError(`Memory ${id} was removed, and is there still.`);
      if (await named(id, mover.move(id, tenant))) moved(++done, all);
    }
  }
}

function halt(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new CommandError('Stopped behind a memory; the same command goes on from here.', 130);
  }
}

/** Says of a failure which memory it is about. */
async function named<T>(id: string, step: Promise<T>): Promise<T> {
  return step.catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(`Memory ${id}: ${error.message}`, error.exitCode);
  });
}

/** Additions that came to be although they were given up: what they made is there twice. */
async function sweep({ store, journal }: AdoptParts, mover: Mover): Promise<number> {
  const { doubts } = journal.moves;
  let late = 0;
  for (const [old, intents] of doubts) {
    for (const intent of intents) {
      const twin = await mover.lost(intent, old);
      if (twin === undefined) continue;
      await store.remove(twin);
      late++;
    }
  }
  if (doubts.size > 0) journal.record({ swept: true });
  return late;
}

/** @throws CommandError when a memory has no tenant: then nothing at all is done. */
function refuseStuck({ stuck }: Survey): void {
  if (stuck.length > 0) {
    throw new CommandError(`${stuck.length} cannot be moved, and nothing was done with any.`);
  }
}

/** Per tenant what the journal says was moved. */
function summaryOf({ all }: Pick<Moves, 'all'>): readonly Adopted[] {
  const texts = new Map<string, string[]>();
  for (const { tenant, text, done } of all.values()) {
    if (!done) continue;
    const own = texts.get(tenant);
    if (own) own.push(text);
    else texts.set(tenant, [text]);
  }
  return [...texts].sort().map(([tenant, own]) => ({
    tenant,
    memories: own.length,
    texts: textsDigest(own),
  }));
}

/** SHA-256 over the sorted SHA-256 digests of texts, a line each. */
function textsDigest(digests: readonly string[]): string {
  return sha256(`${[...digests].sort().join('\n')}\n`);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
