import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  EMPTY_ROOT,
  Frontier,
  type HashSource,
  hashLeaf,
  hashNode,
  inclusionProof,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';

const leavesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => hashLeaf(Buffer.from(`leaf ${i}`)));

/** RFC 6962 §2.1 word for word, without a thought for work. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  const k = splitOf(leaves.length);
  return hashNode(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = splitOf(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

function naiveProof(m: number, leaves: readonly Uint8Array[], whole = true): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)];
  const k = splitOf(leaves.length);
  return m <= k
    ? [...naiveProof(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...naiveProof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

function splitOf(size: number): number {
  return 2 ** Math.ceil(Math.log2(size) - 1);
}

function sourceOf(leaves: readonly Uint8Array[]): HashSource {
  const known = new Map<string, Uint8Array>();
  const source: HashSource = (level, index) => {
    if ((index + 1) * 2 ** level > leaves.length) throw new Error('asked for a subtree that is not complete');
    if (level === 0) return leaves[index]!;
    const key = `${level}/${index}`;
    const hash = known.get(key) ?? hashNode(source(level - 1, index * 2), source(level - 1, index * 2 + 1));
    known.set(key, hash);
    return hash;
  };
  return source;
}

describe('a tree', () => {
  const ALL = leavesOf(300);
  const size = fc.integer({ min: 1, max: ALL.length });

  it('is what the RFC says it is', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (to, i, f) => {
        const leaves = ALL.slice(0, to);
        const source = sourceOf(leaves);
        const [index, from] = [i % to, 1 + (f % to)];
        expect(rootOf(to, source)).toEqual(naiveRoot(leaves));
        expect(inclusionProof(index, to, source)).toEqual(naivePath(index, leaves));
        expect(consistencyProof(from, to, source)).toEqual(naiveProof(from, leaves));
      }),
    );
  });

  it('grows along its frontier', () => {
    const frontier = new Frontier();
    const source = sourceOf(ALL);
    ALL.forEach((leaf, at) => {
      expect(frontier.root).toEqual(rootOf(at, source));
      frontier.append(leaf);
    });
    const again = new Frontier(frontier.size, frontier.hashes);
    expect(again.root).toEqual(rootOf(ALL.length, source));
    expect(() => new Frontier(3, frontier.hashes)).toThrow(RangeError);
  });

  it('has no proofs for what it does not hold', () => {
    const source = sourceOf(ALL);
    for (const [index, of] of [
      [5, 5],
      [-1, 5],
      [0, 0],
      [0.5, 5],
      [0, 2 ** 53],
    ] as const) {
      expect(() => inclusionProof(index, of, source)).toThrow(RangeError);
    }
    for (const [from, to] of [
      [6, 5],
      [-1, 5],
      [1, 1.5],
    ] as const) {
      expect(() => consistencyProof(from, to, source)).toThrow(RangeError);
    }
  });
});

describe('verification', () => {
  const ALL = leavesOf(130);
  const source = sourceOf(ALL);
  const place = fc
    .integer({ min: 1, max: ALL.length })
    .chain((to) => fc.tuple(fc.nat(to - 1), fc.constant(to)));

  it('finds any change of an inclusion proof', () => {
    fc.assert(
      fc.property(
        place,
        fc.nat(),
        fc.nat(255),
        fc.integer({ min: 1, max: 255 }),
        ([index, to], n, at, flip) => {
          const proof = inclusionProof(index, to, source);
          const head = { index, size: to, root: rootOf(to, source) };
          const leaf = ALL[index]!;
          expect(verifyInclusion(head, leaf, proof)).toBe(true);
          const parts = [leaf, head.root, ...proof].map((hash) => hash.slice());
          const part = parts[n % parts.length]!;
          part[at % part.length]! ^= flip;
          const [badLeaf, root, ...badProof] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
          expect(verifyInclusion({ ...head, root }, badLeaf, badProof)).toBe(false);
          expect(verifyInclusion(head, leaf, [...proof, EMPTY_ROOT])).toBe(false);
          if (proof.length > 0) expect(verifyInclusion(head, leaf, proof.slice(0, -1))).toBe(false);
          if (to > 1) expect(verifyInclusion({ ...head, index: (index + 1) % to }, leaf, proof)).toBe(false);
        },
      ),
    );
  });

  it('finds any change of a consistency proof', () => {
    fc.assert(
      fc.property(
        place,
        fc.nat(),
        fc.nat(255),
        fc.integer({ min: 1, max: 255 }),
        ([index, size], n, at, flip) => {
          const from = { size: index + 1, root: rootOf(index + 1, source) };
          const to = { size, root: rootOf(size, source) };
          const proof = consistencyProof(from.size, size, source);
          expect(verifyConsistency(from, to, proof)).toBe(true);
          const parts = [from.root, to.root, ...proof].map((hash) => hash.slice());
          const part = parts[n % parts.length]!;
          part[at % part.length]! ^= flip;
          const [old, now, ...badProof] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
          expect(verifyConsistency({ ...from, root: old }, { ...to, root: now }, badProof)).toBe(false);
          expect(verifyConsistency(from, to, [...proof, EMPTY_ROOT])).toBe(false);
          if (proof.length > 0) expect(verifyConsistency(from, to, proof.slice(0, -1))).toBe(false);
        },
      ),
    );
  });

  it('takes every tree for one that begins with the empty one, and no other proof of it', () => {
    const to = { size: 5, root: rootOf(5, source) };
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, to, [])).toBe(true);
    expect(verifyConsistency({ size: 0, root: to.root }, to, [])).toBe(false);
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, to, [EMPTY_ROOT])).toBe(false);
    expect(verifyConsistency(to, { ...to, size: 4 }, [])).toBe(false);
  });

  it('holds beyond what bit operators hold', () => {
    const huge = 2 ** 40 + 2 ** 33 + 7;
    const constant: HashSource = () => EMPTY_ROOT;
    // A tree whose every complete subtree has the same root is none; sizes and paths are what this looks at.
    const index = 2 ** 40 + 3;
    expect(inclusionProof(index, huge, constant).length).toBeGreaterThan(2);
    expect(consistencyProof(2 ** 40, huge, constant)).toHaveLength(1);
  });
});
