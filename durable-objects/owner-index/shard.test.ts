import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OWNER_SHARDS } from '../../core/names.ts';
import { groupByShard, ownerShard } from './shard.ts';

it('takes the first byte of the SHA-256 of the UTF-8 id', () => {
  // Published digests: "abc" begins with ba, the empty text with e3.
  expect(ownerShard('abc')).toBe(0xba % OWNER_SHARDS);
  expect(ownerShard('')).toBe(0xe3 % OWNER_SHARDS);
});

it('reaches every shard', () => {
  const shards = new Set(Array.from({ length: 1000 }, (_, i) => ownerShard(`id-${i}`)));
  expect([...shards].sort()).toEqual(Array.from({ length: OWNER_SHARDS }, (_, shard) => shard));
});

it('groups every id into its own shard, in order, doubled ones too', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), (ids) => {
      const groups = groupByShard(ids);
      const byHand = new Set(ids.map(ownerShard));
      expect(new Set(groups.keys())).toEqual(byHand);
      for (const [shard, group] of groups) {
        expect(group).toEqual(ids.filter((id) => ownerShard(id) === shard));
      }
    }),
  );
});
