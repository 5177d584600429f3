import { type Ids, KINDS } from './mapping.ts';
import type { Survey } from './survey.ts';

/** What a move does not keep; said before anything is done. */
export const NOT_KEPT = [
  'Kept: text, ids, metadata, expiry, and whether it was said by a user or an assistant.',
  'Not kept: memory ids, created_at and updated_at, history, actor_id, attributed_to, other roles.',
  "Stop whatever writes to this Mem0 until it is done. Both texts are in Mem0's own backups, and the old one in its history.",
];

const WHY: { readonly [why in Survey['stuck'][number]['why']]: string } = {
  no_ids: 'has no user_id, agent_id or run_id',
  unmapped: 'has an id that the mapping does not name',
  conflict: 'has ids of several tenants',
  unusable_id: 'has an id that no client can name through the gateway',
};

/** Said when the server did not name all ids that it has. */
export const UNSEEN =
  'Mem0 looks for ids in its first 10,000 memories and has more: ids that the mapping does not name may be left as they are. Name them, and run it again.';

/** A plan for people, a line each. */
export function planText({ moving, stuck, settled, more, unseen }: Survey): readonly string[] {
  const tenants = countBy(moving.map(({ tenant }) => tenant));
  return [
    ...[...tenants].sort().map(([tenant, count]) => `${tenant}: ${count} memories to move`),
    ...(moving.length === 0 ? ['Nothing is to be moved.'] : []),
    ...(settled > 0 ? [`${settled} memories stand in a tenant's namespace already and are left alone.`] : []),
    ...(more ? ['The lists were full: there may be more, which come in the rounds that follow.'] : []),
    ...(unseen ? [UNSEEN] : []),
    ...stuck.map(({ row, why }) => `memory ${row.id} ${WHY[why]}: ${idsText(row.ids)}`),
    ...(stuck.length > 0 ? [`${stuck.length} memories have no tenant: name their ids in the mapping.`] : []),
    ...NOT_KEPT,
  ];
}

function idsText(ids: Ids): string {
  const given = KINDS.flatMap((kind) =>
    ids[kind] === undefined ? [] : [`${kind} ${JSON.stringify(ids[kind])}`],
  );
  return given.join(', ') || 'none';
}

export function countBy(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
