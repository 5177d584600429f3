import { parseId, pooled, restore } from '../../../core/ids.ts';
import { type Assignment, assign, type Ids, KINDS, type Kind, type Mapping, tenantsOf } from './mapping.ts';
import { MOST, type Row, SCANNED, type Store } from './store.ts';

/** What a round found: memories that are to be moved, those that cannot be, and those that stand right already. */
export interface Survey {
  readonly moving: readonly { readonly row: Row; readonly tenant: string }[];
  readonly stuck: readonly {
    readonly row: Row;
    readonly why: Exclude<Assignment, { ok: true }>['why'];
  }[];
  readonly settled: number;
  /** Some list was as long as the server makes it, so there may be more. */
  readonly more: boolean;
  /** There may be ids that the server did not name: of these only the ones that the mapping names were listed. */
  readonly unseen: boolean;
}

/**
 * Lists what there is. The server gives no more than a thousand rows at once and has no pages, so beside everybody's
 * list each id that is not yet a tenant's, or that the mapping names, is listed by itself.
 */
export async function survey(store: Store, mapping: Mapping, known: ReadonlySet<string>): Promise<Survey> {
  const tenants = [...tenantsOf(mapping)];
  const isTenants = (id: string) => tenants.some((tenant) => restore(pooled(tenant), id) !== undefined);
  const rows = new Map<string, Row>();
  let more = false;
  const take = (listed: readonly Row[]) => {
    more ||= listed.length >= MOST;
    for (const row of listed) rows.set(row.id, row);
  };
  const all = await store.list({});
  take(all);
  let unseen = false;
  if (all.length >= MOST) {
    const entities = await store.entities();
    unseen = entities.reduce((sum, { memories }) => sum + memories, 0) >= SCANNED;
    const others = entities.filter(({ id }) => !isTenants(id));
    const keys = new Map([...others, ...named(mapping)].map((key) => [`${key.kind}:${key.id}`, key]));
    for (const { kind, id } of keys.values()) take(await store.list({ [kind]: id }));
  }
  const moving: Survey['moving'][number][] = [];
  const stuck: Survey['stuck'][number][] = [];
  let settled = 0;
  for (const row of rows.values()) {
    if (known.has(row.id) || isSettled(row.ids, tenants)) {
      settled++;
      continue;
    }
    const assigned = assign(mapping, row.ids);
    if (assigned.ok) moving.push({ row, tenant: assigned.tenant });
    else stuck.push({ row, why: assigned.why });
  }
  return { moving, stuck, settled, more, unseen };
}

/** The ids that the mapping names and that Mem0 can have. */
function named(mapping: Mapping): readonly { readonly kind: Kind; readonly id: string }[] {
  return KINDS.flatMap((kind) =>
    Object.keys(mapping[kind] ?? {}).flatMap((id) => (id !== '*' && parseId(id).ok ? [{ kind, id }] : [])),
  );
}

/** Whether all ids of a row stand in the namespace of one tenant. */
function isSettled(ids: Ids, tenants: readonly string[]): boolean {
  const given = KINDS.flatMap((kind) => ids[kind] ?? []);
  if (given.length === 0) return false;
  return tenants.some((tenant) => given.every((id) => restore(pooled(tenant), id) !== undefined));
}
