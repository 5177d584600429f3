import { OWNER_SHARDS } from '../../core/names.ts';
import { firstByte } from '../../core/sha256.ts';

/** The shard of the tenant's OwnerIndex that knows an id: the first byte of its SHA-256, modulo the shards. */
export function ownerShard(id: string): number {
  return firstByte(id) % OWNER_SHARDS;
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
