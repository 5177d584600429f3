import { createHash } from 'node:crypto';
import { OWNER_SHARDS } from '../../core/names.ts';

/** The shard of the tenant's OwnerIndex that knows an id: the first byte of its SHA-256, modulo the shards. */
export function ownerShard(id: string): number {
  return createHash('sha256').update(id).digest()[0]! % OWNER_SHARDS;
}

/** The ids by shard, in the order given; a shard with none has no entry. */
export function groupByShard(ids: readonly string[]): Map<number, string[]> {
  const groups = new Map<number, string[]>();
  for (const id of ids) {
    const shard = ownerShard(id);
    const group = groups.get(shard);
    if (group === undefined) groups.set(shard, [id]);
    else group.push(id);
  }
  return groups;
}
