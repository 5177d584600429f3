import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  type HashSource,
  hashLeaf,
  hashNode,
  inclusionProof,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../core/merkle.ts';
import logVectors from './log.json' with { type: 'json' };
import published from './rfc6962.json' with { type: 'json' };
import tree from './tree.json' with { type: 'json' };

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

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

describe('published trees', () => {
  const { leaves, roots, inclusion, consistency } = published;
  const hashes = leaves.map((leaf) => hashLeaf(bytes(leaf)));
  const source = sourceOf(hashes);

  it('have the published roots', () => {
    expect(roots.map((_, size) => hex(rootOf(size, source)))).toEqual(roots);
  });

  it.each(inclusion)('have the published audit path of $index in $size', ({ index, size, proof }) => {
    expect(inclusionProof(index, size, source).map(hex)).toEqual(proof);
    const head = { index, size, root: bytes(roots[size]!) };
    expect(verifyInclusion(head, hashes[index]!, proof.map(bytes))).toBe(true);
  });

  it.each(consistency)('have the published proof of $from in $to', ({ from, to, proof }) => {
    expect(consistencyProof(from, to, source).map(hex)).toEqual(proof);
    const old = { size: from, root: bytes(roots[from]!) };
    expect(verifyConsistency(old, { size: to, root: bytes(roots[to]!) }, proof.map(bytes))).toBe(true);
  });
});

describe.each([
  ['a log', logVectors, logVectors.records.map(({ text }) => text)],
  [
    'a large tree',
    { ...tree, roots: Object.fromEntries(tree.roots.map(({ size, root }) => [size, root])) },
    Array.from({ length: 70_000 }, (_, i) => `leaf ${i}`),
  ],
])("what Go's tlog makes of %s", (_what, vectors, texts) => {
  const hashes = texts.map((text) => hashLeaf(Buffer.from(text)));
  const source = sourceOf(hashes);
  const roots = vectors.roots as { readonly [size: number]: string };

  it('is made here, too', () => {
    for (const [size, root] of Object.entries(roots)) expect(hex(rootOf(Number(size), source))).toBe(root);
    for (const { index, size, proof } of vectors.inclusion) {
      expect(inclusionProof(index, size, source).map(hex)).toEqual(proof);
    }
    for (const { from, to, proof } of vectors.consistency) {
      expect(consistencyProof(from, to, source).map(hex)).toEqual(proof);
    }
  });

  it('is accepted here', () => {
    for (const { index, size, proof } of vectors.inclusion) {
      const head = { index, size, root: bytes(roots[size]!) };
      expect(verifyInclusion(head, hashes[index]!, proof.map(bytes))).toBe(true);
    }
    for (const { from, to, proof } of vectors.consistency) {
      const [old, now] = [from, to].map((size) => ({ size, root: bytes(roots[size]!) }));
      expect(verifyConsistency(old!, now!, proof.map(bytes))).toBe(true);
    }
  });
});
