import { createHash } from 'node:crypto';
import { canonical, type Json } from '../../../core/canonical.ts';
import { namespaced, pooled } from '../../../core/ids.ts';
import { CommandError } from '../command.ts';
import type { Journal, Move } from './journal.ts';
import { type Ids, KINDS, type Mapping } from './mapping.ts';
import { MOST, type NewRow, type Row, type Store } from './store.ts';
import { type Survey, survey } from './survey.ts';

export interface AdoptParts {
  readonly store: Store;
  readonly mapping: Mapping;
  readonly journal: Journal;
  /** Said after each memory that was moved. */
  readonly moved: (done: number, found: number) => void;
  /** Aborted: stop behind the memory in hand. */
  readonly signal: AbortSignal;
}

/** What was moved to a tenant: how many memories, and SHA-256 over the sorted digests of their texts. */
export interface Adopted {
  readonly tenant: string;
  readonly memories: number;
  readonly texts: string;
}

/** A memory under its tenant's ids; all that can be kept of it. */
export function adopted(row: Row, tenant: string): NewRow {
  const { id: _, ...kept } = row;
  const ids = KINDS.flatMap((kind) => {
    const own = row.ids[kind];
    return own === undefined ? [] : [[kind, namespaced(pooled(tenant), own)] as const];
  });
  return { ...kept, ids: Object.fromEntries(ids) as Ids };
}

/** What of a row must be the same behind the move. */
export function digestOf({ memory, ids, metadata, expirationDate: expires = '' }: NewRow): string {
  return sha256(canonical({ memory, ids, metadata, expires } as unknown as Json));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Moves every memory, in rounds, until a list shows none that is not in its tenant's namespace: it is added again, read
 * back and compared, and only then is the old one removed. Each step is in the journal before it is taken.
 * @throws CommandError at the first thing that is not as it should be; what is in the journal can be resumed.
 */
export async function adopt(
  parts: AdoptParts,
): Promise<{ readonly tenants: readonly Adopted[]; readonly unseen: boolean }> {
  const { store, mapping, journal, moved, signal } = parts;
  let done = 0;
  for (const [id, move] of journal.moves) {
    if (!move.done) await resume(parts, id, move);
    done++;
  }
  for (;;) {
    const found = await survey(store, mapping, newIds(journal));
    refuseStuck(found);
    if (found.moving.length === 0) return { tenants: summaryOf(journal), unseen: found.unseen };
    for (const { row, tenant } of found.moving) {
      if (signal.aborted)
        throw new CommandError('Stopped behind a memory; the same command goes on from here.');
      // One that is listed although it was removed is not moved twice.
      if (journal.moves.get(row.id)?.done)
        throw new CommandError(`Memory ${row.id} was removed, and is there still.`);
      await moveRow(parts, row, tenant);
      moved(++done, found.moving.length);
    }
  }
}

/** @throws CommandError when a memory has no tenant: then nothing at all is done. */
export function refuseStuck({ stuck }: Survey): void {
  if (stuck.length > 0)
    throw new CommandError(`${stuck.length} memories have no tenant. Nothing was done with them.`);
}

function newIds(journal: Journal): ReadonlySet<string> {
  return new Set([...journal.moves.values()].flatMap(({ added }) => added ?? []));
}

async function moveRow(parts: AdoptParts, { id }: Row, tenant: string): Promise<void> {
  const { store, journal } = parts;
  // The list without ids is raw: what Mem0 keeps of its own in a row stands among its metadata there.
  const row = await store.get(id);
  if (row === undefined) throw new CommandError(`Memory ${id} is listed, and is not there.`);
  const to = adopted(row, tenant);
  const move: Move = { tenant, ids: to.ids, digest: digestOf(to), text: sha256(to.memory) };
  journal.record({ adopts: row.id, move });
  await addAndRemove(parts, row.id, move, to);
}

async function addAndRemove(
  { store, journal }: AdoptParts,
  old: string,
  move: Move,
  to: NewRow,
): Promise<void> {
  const id = await store.add(to);
  journal.record({ added: old, as: id });
  await finish({ store, journal }, old, { ...move, added: id });
}

/** The old memory goes when the new one is what it should be. */
async function finish(
  { store, journal }: Pick<AdoptParts, 'store' | 'journal'>,
  old: string,
  move: Move,
): Promise<void> {
  const made = await store.get(move.added!);
  if (made === undefined || digestOf(made) !== move.digest) {
    throw new CommandError(
      `Memory ${old} was added again as ${move.added}, which is not the same. Nothing was removed.`,
    );
  }
  await store.remove(old);
  journal.record({ done: old });
}

/** Goes on with a memory that an earlier run had in hand. */
async function resume(parts: AdoptParts, old: string, move: Move): Promise<void> {
  if (move.added !== undefined) return finish(parts, old, move);
  // The answer of its addition may have been lost: then there is one that nobody else made.
  const lost = await unclaimed(parts, old, move);
  if (lost !== undefined) {
    parts.journal.record({ added: old, as: lost });
    return finish(parts, old, { ...move, added: lost });
  }
  const row = await parts.store.get(old);
  if (row === undefined) throw new CommandError(`Memory ${old} is gone, and was not added again.`);
  return addAndRemove(parts, old, move, adopted(row, move.tenant));
}

async function unclaimed(
  { store, journal }: AdoptParts,
  old: string,
  move: Move,
): Promise<string | undefined> {
  const claimed = newIds(journal);
  const isIt = (row: Row) => digestOf(row) === move.digest && !claimed.has(row.id);
  const listed = await store.list(move.ids);
  const found = listed.find(isIt);
  if (found !== undefined || listed.length < MOST) return found?.id;
  const row = await store.get(old);
  return row && (await store.near(row.memory, move.ids)).find(isIt)?.id;
}

/** Per tenant what the journal says was moved. */
export function summaryOf({ moves }: Pick<Journal, 'moves'>): readonly Adopted[] {
  const texts = new Map<string, string[]>();
  for (const { tenant, text, done } of moves.values()) {
    if (done) texts.set(tenant, [...(texts.get(tenant) ?? []), text]);
  }
  return [...texts].sort().map(([tenant, all]) => ({
    tenant,
    memories: all.length,
    texts: textsDigest(all),
  }));
}

/** SHA-256 over the sorted SHA-256 digests of texts, a line each. */
export function textsDigest(digests: readonly string[]): string {
  return sha256(`${[...digests].sort().join('\n')}\n`);
}
