import { type Entity, type Ids, KINDS } from './mapping.ts';
import type { Stuck, Survey } from './survey.ts';

/** What a move does not keep; said before anything is done. */
const NOT_KEPT = [
  'Kept: text, ids, metadata, expiry, and whether it was said by a user or an assistant (a user, where nothing is said).',
  'Not kept: memory ids, created_at and updated_at, history, actor_id, attributed_to, other roles.',
  "Stop whatever writes to this Mem0 until it is done. Both texts are in Mem0's own backups, and the old one in its history.",
];

const WHY: { readonly [why in Stuck['why']]: string } = {
  no_ids: 'has no user_id, agent_id or run_id',
  unmapped: 'has an id that the mapping does not name',
  conflict: 'has ids of several tenants',
  unusable_id: 'has an id that no client can name through the gateway',
  looks_namespaced:
    'has an id that may be in a tenant’s namespace: name the id, or all of the gateway’s `tenants`, in the mapping',
  unreadable: 'cannot be read by Mem0, see “A damaged memory” in docs/troubleshooting.md',
  unkeepable: 'has an empty text, or a member of a type that Mem0 does not take',
};

/** At most this many ids of the mapping that nothing has are shown. */
const MOST_UNUSED = 20;

export interface PlanOptions {
  /** An earlier run left a journal, so what stands in a namespace may be its work. */
  readonly begun: boolean;
}

/** A plan for people, a line each. */
export function planText(found: Survey, { begun }: PlanOptions): readonly string[] {
  const { moving, stuck, settled, unused, more, hidden } = found;
  return [
    ...counts(moving.map(({ tenant }) => tenant)).map(([of, count]) => `${of}: ${count} memories to move`),
    ...(moving.length === 0 ? ['Nothing is to be moved.'] : []),
    ...counts(settled).map(
      ([of, count]) => `${of}: ${count} memories stand in its namespace already and are left alone`,
    ),
    ...(settled.length > 0 && !begun
      ? ['There is no journal here: if an earlier run was stopped, go on with its journal, else copies stay.']
      : []),
    ...(more ? ['The lists were full: there may be more, which come in the rounds that follow.'] : []),
    ...(hidden ? [HIDDEN] : []),
    ...(begun ? [] : unusedText(unused)),
    ...stuck.map(
      ({ id, ids, why }) => `${id === undefined ? 'something' : `memory ${id}`} ${WHY[why]}: ${idsText(ids)}`,
    ),
    ...(stuck.length > 0 ? [`${stuck.length} cannot be moved, so nothing would be.`] : []),
    ...NOT_KEPT,
  ];
}

/** Why a run cannot know that it is at the end. */
export const HIDDEN =
  'Mem0 counts its ids over 10,000 memories only: ids that the mapping does not name may be hidden behind those.';

function unusedText(unused: readonly Entity[]): readonly string[] {
  const shown = unused.slice(0, MOST_UNUSED).map(({ kind, id }) => `${kind} ${JSON.stringify(id)}`);
  const rest = unused.length > MOST_UNUSED ? ` and ${unused.length - MOST_UNUSED} more` : '';
  return unused.length > 0
    ? [`The mapping names what no memory has that was seen: ${shown.join(', ')}${rest}`]
    : [];
}

function idsText(ids: Ids): string {
  const given = KINDS.flatMap((kind) =>
    ids[kind] === undefined ? [] : [`${kind} ${JSON.stringify(ids[kind])}`],
  );
  return given.join(', ') || 'none';
}

/** How often each value occurs, in their order. */
export function counts(values: readonly string[]): readonly (readonly [string, number])[] {
  const found = new Map<string, number>();
  for (const value of values) found.set(value, (found.get(value) ?? 0) + 1);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}
