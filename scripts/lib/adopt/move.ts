import { createHash } from 'node:crypto';
import { canonical, type Json } from '../../../core/canonical.ts';
import { namespaced, pooled } from '../../../core/ids.ts';
import { CommandError } from '../command.ts';
import type { Intent, Journal, Move } from './journal.ts';
import { assign, type Ids, KINDS, type Mapping } from './mapping.ts';
import { MOST, type NewRow, type Row, type Store } from './store.ts';

/** A memory under its tenant's ids; all that can be kept of it. */
export function adopted({ id: _, fault: __, ...kept }: Row, tenant: string): NewRow {
  const ids = KINDS.flatMap((kind) => {
    const own = kept.ids[kind];
    return own === undefined ? [] : [[kind, namespaced(pooled(tenant), own)] as const];
  });
  return { ...kept, ids: Object.fromEntries(ids) as Ids };
}

/** What of a row must be the same behind the move. */
export function digestOf({ memory, ids, metadata, expirationDate: expires = '' }: NewRow): string {
  return sha256(canonical({ memory, ids, metadata, expires } as unknown as Json));
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

interface MoverParts {
  readonly store: Store;
  readonly mapping: Mapping;
  readonly journal: Journal;
  readonly now: () => number;
}

const GONE = 'was removed by somebody else while it was moved';

/** Moves a memory, and says of one that was in hand before how it stands. */
export class Mover {
  readonly #parts: MoverParts;
  /** By the ids under which was added: what stood there before, by its digest; nothing where the list was full. */
  readonly #standing = new Map<string, ReadonlyMap<string, readonly string[]> | undefined>();

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  /**
   * Adds a memory under its tenant's ids, reads it back, compares it, looks that the old one is still what it was, and
   * removes that one. Each step is in the journal before the next.
   * @returns whether it was moved; not if it was gone.
   * @throws CommandError when something is not as it should be; a copy that is no good is taken back.
   */
  async move(old: string, tenant: string): Promise<boolean> {
    const { store, mapping, journal, now } = this.#parts;
    // A list is some time old, and everybody's list tells less than the memory itself.
    const row = await store.get(old);
    if (row === undefined) return false;
    if (row.fault !== undefined) throw new CommandError(`It is ${row.fault}.`);
    const assigned = assign(mapping, row.ids);
    if (assigned.state !== 'moving' || assigned.tenant !== tenant) {
      throw new CommandError('Its ids have changed.');
    }
    const to = adopted(row, tenant);
    const digest = digestOf(to);
    const twins = await this.#twins(to, digest);
    const intent: Intent = { tenant, ids: to.ids, digest, text: sha256(to.memory), twins, at: now() };
    journal.record({ adopts: old, move: intent });
    const added = await store.add(to);
    if (added === old || journal.moves.added.has(added) || twins.includes(added)) {
      throw new CommandError('Mem0 added nothing, but named a memory that was there.');
    }
    journal.record({ added: old, as: added });
    await this.#finish(old, { ...intent, added });
    return true;
  }

  /** The old memory goes when the new one is what it should be, and the old one what it was. */
  async #finish(old: string, move: Move): Promise<void> {
    const { store, journal } = this.#parts;
    const row = await store.get(old);
    // It was this command: whatever became of the new one since, there is no other any more.
    if (row === undefined && move.removing) return journal.record({ done: old });
    if (row === undefined) return this.#undo(old, move, GONE);
    if (digestOf(adopted(row, move.tenant)) !== move.digest) {
      return this.#undo(old, move, 'was changed while it was moved');
    }
    const made = await store.get(move.added!);
    if (made === undefined || digestOf(made) !== move.digest) {
      return this.#undo(old, move, `was added again as ${move.added}, which is not the same`);
    }
    journal.record({ removing: old });
    if (!(await store.remove(old)) && !move.removing) return this.#undo(old, move, GONE);
    journal.record({ done: old });
  }

  async #undo(old: string, { added }: Move, why: string): Promise<never> {
    await this.#parts.store.remove(added!);
    this.#parts.journal.record({ undone: old });
    throw new CommandError(`It ${why}. The copy was taken back, and nothing else was removed.`);
  }

  /**
   * Goes on with a memory that an earlier run had in hand. Where its addition was not answered, it is looked for; where
   * it is not found, that is noted, and the rounds that follow move the memory as any other.
   */
  async resume(old: string, move: Move): Promise<void> {
    const { store, journal } = this.#parts;
    if (move.added === undefined) {
      const lost = await this.lost(move, old);
      if (lost === undefined) return journal.record({ doubted: old });
      journal.record({ added: old, as: lost });
      return this.#finish(old, { ...move, added: lost });
    }
    // The copy was taken back, and the journal does not know it yet.
    if (!move.removing && (await store.get(move.added)) === undefined) return journal.record({ undone: old });
    return this.#finish(old, move);
  }

  /**
   * The memory that an addition made whose answer was lost: the same, and neither there before nor that of another move.
   * @param old what it was made from; where a list is too long to show all, the text is searched for.
   */
  async lost(intent: Intent, old: string): Promise<string | undefined> {
    const { store, journal } = this.#parts;
    const { added, all } = journal.moves;
    const isIt = (row: Row) =>
      digestOf(row) === intent.digest && !added.has(row.id) && !intent.twins.includes(row.id);
    const listed = await store.list(intent.ids);
    const found = listed.find(isIt);
    if (found !== undefined || listed.length < MOST) return found?.id;
    const row = await store.get(all.get(old)?.added ?? old);
    return row && (await store.near(row.memory, intent.ids)).find(isIt)?.id;
  }

  /** Memories that are already what is about to be added, and were not added by a move. */
  async #twins(to: NewRow, digest: string): Promise<readonly string[]> {
    const { store, journal } = this.#parts;
    const scope = canonical(to.ids as Json);
    if (!this.#standing.has(scope)) {
      const listed = await store.list(to.ids);
      this.#standing.set(scope, listed.length < MOST ? byDigest(listed) : undefined);
    }
    const standing = this.#standing.get(scope) ?? byDigest(await store.near(to.memory, to.ids));
    return (standing.get(digest) ?? []).filter((id) => !journal.moves.added.has(id));
  }
}

function byDigest(rows: readonly Row[]): ReadonlyMap<string, readonly string[]> {
  const ids = new Map<string, string[]>();
  for (const row of rows) {
    const digest = digestOf(row);
    ids.set(digest, [...(ids.get(digest) ?? []), row.id]);
  }
  return ids;
}
