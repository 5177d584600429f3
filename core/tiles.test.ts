import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frontier, hashLeaf, hashNode, inclusionProof, rootOf, verifyInclusion } from './merkle.ts';
import { hashesOf, joinHashes, spanOf, TILE_WIDTH, tileLevels, tileRoot, tileSource } from './tiles.ts';

/** The tiles of a tree, from the definition: level L holds the roots of the complete subtrees of 256^L leaves. */
function tilesOf(leaves: readonly Uint8Array[]): (level: number, tile: number) => Uint8Array | undefined {
  const levels = [leaves];
  for (let last = leaves; last.length >= TILE_WIDTH; levels.push(last)) {
    const next: Uint8Array[] = [];
    for (let at = 0; at + TILE_WIDTH <= last.length; at += TILE_WIDTH) {
      const frontier = new Frontier();
      for (const hash of last.slice(at, at + TILE_WIDTH)) frontier.append(hash);
      next.push(frontier.root);
    }
    last = next;
  }
  return (level, tile) => {
    const hashes = levels[level]?.slice(tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH) ?? [];
    return hashes.length === 0 ? undefined : joinHashes(hashes);
  };
}

const COUNT = 66_000;
const LEAVES = Array.from({ length: COUNT }, (_, i) => hashLeaf(Buffer.from(`leaf ${i}`)));

describe('a tree in tiles', () => {
  const read = tilesOf(LEAVES);
  const source = tileSource(read);
  const frontier = new Frontier();
  const roots: Uint8Array[] = [frontier.root];
  for (const leaf of LEAVES) {
    frontier.append(leaf);
    roots.push(frontier.root);
  }

  it('has the root of every size', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: COUNT }),
      fc.constantFrom(0, 1, 255, 256, 257, 65_535, 65_536, 65_537, COUNT),
    );
    fc.assert(
      fc.property(size, (of) => {
        expect(rootOf(of, source)).toEqual(roots[of]);
      }),
    );
  });

  it('proves every leaf', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: COUNT }), fc.nat(), (size, at) => {
        const index = at % size;
        const proof = inclusionProof(index, size, source);
        expect(verifyInclusion({ index, size, root: roots[size]! }, LEAVES[index]!, proof)).toBe(true);
      }),
    );
  });

  it('says when a hash is missing', () => {
    const cut = tileSource((level, tile) =>
      level === 0 && tile === 3 ? read(0, 3)?.subarray(0, 320) : read(level, tile),
    );
    expect(() => rootOf(3 * TILE_WIDTH + 11, cut)).toThrow('missing');
    expect(rootOf(3 * TILE_WIDTH + 10, cut)).toEqual(roots[3 * TILE_WIDTH + 10]);
  });
});

describe('the place of a hash', () => {
  it.each([
    [0, 0, { level: 0, tile: 0, first: 0, count: 1 }],
    [0, 256, { level: 0, tile: 1, first: 0, count: 1 }],
    [7, 3, { level: 0, tile: 1, first: 128, count: 128 }],
    [8, 3, { level: 1, tile: 0, first: 3, count: 1 }],
    [9, 300, { level: 1, tile: 2, first: 88, count: 2 }],
    [16, 0, { level: 2, tile: 0, first: 0, count: 1 }],
  ])('of level %i, index %i', (level, index, span) => {
    expect(spanOf(level, index)).toEqual(span);
  });

  it.each([
    [0, []],
    [255, [255]],
    [256, [256, 1]],
    [70_000, [70_000, 273, 1]],
  ])('in a tree of %i leaves is on one of its levels', (size, levels) => {
    expect(tileLevels(size)).toEqual(levels);
  });
});

it('hashes of a tile come out as they went in', () => {
  const hashes = LEAVES.slice(0, 4);
  expect(hashesOf(joinHashes(hashes))).toEqual(hashes);
  const [a, b, c, d] = hashes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  expect(tileRoot(joinHashes(hashes))).toEqual(hashNode(hashNode(a, b), hashNode(c, d)));
});
