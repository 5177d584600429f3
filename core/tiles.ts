import { HASH_BYTES, type HashSource, hashNode } from './merkle.ts';

/**
 * Hash tiles as in C2SP tlog-tiles: a tile at level L holds up to 256 hashes of the tree's level 8 L, its n-th tile
 * those from index 256 n on. A full tile never changes. The hashes of the levels between are computed from it.
 */

/** Hashes in a full tile. */
export const TILE_WIDTH = 256;

/** Levels of the tree that one tile spans. */
export const TILE_HEIGHT = 8;

/** Where the hashes lie from which a node's hash is computed: `count` of them in one tile, from `first` on. */
export interface TileSpan {
  readonly level: number;
  readonly tile: number;
  readonly first: number;
  readonly count: number;
}

/** The place of the complete subtree of 2^level leaves that begins at leaf index × 2^level. */
export function spanOf(level: number, index: number): TileSpan {
  const count = 2 ** (level % TILE_HEIGHT);
  const begin = index * count;
  return {
    level: Math.floor(level / TILE_HEIGHT),
    tile: Math.floor(begin / TILE_WIDTH),
    first: begin % TILE_WIDTH,
    count,
  };
}

/** How many hashes the levels of tiles hold for a tree of `size` leaves, level 0 first; none for no leaves. */
export function tileLevels(size: number): number[] {
  const levels: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / TILE_WIDTH)) levels.push(rest);
  return levels;
}

/** The root of the hashes of a tile, whose number is a power of two. */
export function tileRoot(tile: Uint8Array): Uint8Array {
  let hashes = hashesOf(tile);
  while (hashes.length > 1) {
    hashes = hashes.flatMap((hash, i) => (i % 2 === 0 ? [hashNode(hash, hashes[i + 1]!)] : []));
  }
  return hashes[0]!;
}

/** The hashes that lie in a tile, one after the other. */
export function hashesOf(tile: Uint8Array): Uint8Array[] {
  return Array.from({ length: tile.length / HASH_BYTES }, (_, i) =>
    tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** Hashes, or runs of them, one after the other, as a tile keeps them. */
export function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(hashes));
}

/**
 * The hashes of a tree from its tiles. `read` gives what a tile holds so far, full or partial.
 * @throws Error from the source, when a tile does not hold what the tree has.
 */
export function tileSource(read: (level: number, tile: number) => Uint8Array | undefined): HashSource {
  return (level, index) => {
    const span = spanOf(level, index);
    const tile = read(span.level, span.tile);
    const [begin, end] = [span.first * HASH_BYTES, (span.first + span.count) * HASH_BYTES];
    if (tile === undefined || tile.length < end) throw new Error('a hash of the tree is missing');
    return tileRoot(tile.subarray(begin, end));
  };
}
