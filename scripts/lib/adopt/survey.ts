import { parseId } from '../../../core/ids.ts';
import {
  assign,
  type Entity,
  type Fault,
  type Ids,
  looksNamespaced,
  type Mapping,
  named,
} from './mapping.ts';
import { type Listed, MOST, MOST_SCANNED, type Store, UnreadableError } from './store.ts';

/** A memory, or all of an id's that cannot be listed, that no tenant can be given. */
export interface Stuck {
  readonly id?: string;
  readonly ids: Ids;
  readonly why: Fault | 'unreadable' | 'unkeepable';
}

/** What a round found: memories that are to be moved, those that cannot be, and those that stand right already. */
export interface Survey {
  readonly moving: readonly { readonly id: string; readonly tenant: string }[];
  readonly stuck: readonly Stuck[];
  /** The tenants of memories that stand in a namespace, one for each memory that was seen. */
  readonly settled: readonly string[];
  /** Ids of the mapping that no memory has which was seen. */
  readonly unused: readonly Entity[];
  /** Some list was as long as the server makes it, so there may be more. */
  readonly more: boolean;
  /** The server may have ids that it did not show. */
  readonly hidden: boolean;
}

/**
 * Lists what there is. The server gives no more than a thousand rows at once, in no order and without pages, so where
 * everybody's list is full, each id that is not yet a tenant's is listed by itself.
 * @param known memories that were added by a move.
 */
export async function survey(store: Store, mapping: Mapping, known: ReadonlySet<string>): Promise<Survey> {
  const rows = new Map<string, Listed>();
  const stuck: Stuck[] = [];
  const full: Entity[] = [];
  const take = async (list: Promise<readonly Listed[]>, ids: Ids) => {
    try {
      const listed = await list;
      for (const row of listed) rows.set(row.id, row);
      return listed.length >= MOST;
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      stuck.push({ ids, why: 'unreadable' });
      return false;
    }
  };
  const all = await store.all();
  for (const row of all) rows.set(row.id, row);
  const more = all.length >= MOST;
  let hidden = false;
  if (more) {
    const { entities, capped } = await entitiesOf(store);
    hidden = capped;
    for (const one of candidates(mapping, entities)) {
      if (!isListable(one.id)) stuck.push({ ids: { [one.kind]: one.id }, why: 'unusable_id' });
      else if (await take(store.list({ [one.kind]: one.id }), { [one.kind]: one.id })) full.push(one);
    }
    // A memory of two tenants may be behind the end of both lists.
    for (const [a, b] of clashes(mapping, full)) {
      const both = { [a.kind]: a.id, [b.kind]: b.id };
      await take(store.list(both), both);
    }
  }
  return { ...sorted(mapping, [...rows.values()], known, stuck), more, hidden };
}

function sorted(
  mapping: Mapping,
  rows: readonly Listed[],
  known: ReadonlySet<string>,
  unlisted: readonly Stuck[],
): Omit<Survey, 'more' | 'hidden'> {
  const moving: Survey['moving'][number][] = [];
  const stuck = [...unlisted];
  const settled: string[] = [];
  const seen = new Set(rows.flatMap(({ ids }) => Object.entries(ids).map((entry) => entry.join(' '))));
  for (const { id, ids, fault } of rows) {
    const assigned = assign(mapping, ids);
    if (assigned.state === 'settled') settled.push(assigned.tenant);
    else if (known.has(id)) continue;
    else if (fault !== undefined) stuck.push({ id, ids, why: fault });
    else if (assigned.state === 'stuck') stuck.push({ id, ids, why: assigned.why });
    else moving.push({ id, tenant: assigned.tenant });
  }
  const unused = named(mapping).filter(({ kind, id }) => id !== '*' && !seen.has(`${kind} ${id}`));
  return { moving, stuck, settled, unused };
}

/**
 * The ids that there are. The server counts them over its first ten thousand rows only: with as many, there may be ids
 * that it does not name.
 */
async function entitiesOf(store: Store): Promise<{ entities: readonly Entity[]; capped: boolean }> {
  const entities = await store.entities();
  const counted = entities.reduce((sum, { memories }) => sum + memories, 0);
  return { entities, capped: counted >= MOST_SCANNED };
}

/** What is listed by itself: ids that are no tenant's yet, and those of the mapping whether they are shown or not. */
function candidates(mapping: Mapping, entities: readonly Entity[]): readonly Entity[] {
  const wanted = named(mapping).filter(({ id }) => id !== '*');
  const shown = entities.filter(({ id }) => !looksNamespaced(mapping, id));
  // Those that look like a tenant's but are of none that is known; a single one is enough to stop at.
  const strange = entities.filter(
    ({ kind, id }) => looksNamespaced(mapping, id) && assign(mapping, { [kind]: id }).state === 'stuck',
  );
  const all = [...wanted, ...shown, ...strange].map((one) => [`${one.kind} ${one.id}`, one] as const);
  return [...new Map(all).values()].map(({ kind, id }) => ({ kind, id }));
}

/** The server refuses to list by an id with a blank in it, and takes `*` for everybody. */
function isListable(id: string): boolean {
  const parsed = parseId(id);
  return parsed.ok ? parsed.id === id : parsed.reason === 'id_too_long';
}

function clashes(mapping: Mapping, full: readonly Entity[]): readonly (readonly [Entity, Entity])[] {
  return full.flatMap((a, index) =>
    full.slice(index + 1).flatMap((b) => {
      if (a.kind === b.kind) return [];
      const { state } = assign(mapping, { [a.kind]: a.id, [b.kind]: b.id });
      return state === 'stuck' ? [[a, b] as const] : [];
    }),
  );
}
