import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { consistencyProof, Frontier, hashNode, verifyConsistency } from '../../../core/merkle.ts';
import { GrownTree } from './grown-tree.ts';

const leaf = (i: number) => new Uint8Array(createHash('sha256').update(`leaf ${i}`).digest());

const nodes = new Map<string, Uint8Array>();
function node(level: number, index: number): Uint8Array {
  const key = `${level}/${index}`;
  const known =
    nodes.get(key) ??
    (level === 0 ? leaf(index) : hashNode(node(level - 1, index * 2), node(level - 1, index * 2 + 1)));
  nodes.set(key, known);
  return known;
}

it('proves each mark from the one before, wherever it began', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 1500 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 200, max: 1100 })), {
        minLength: 1,
        maxLength: 6,
      }),
      (start, steps) => {
        const edge = new Frontier();
        for (let i = 0; i < start; i++) edge.append(leaf(i));
        const tree = new GrownTree(edge);
        const all = new Frontier(start, edge.hashes);
        let size = start;
        for (const step of steps) {
          const before = { size, root: all.root };
          for (let i = 0; i < step; i++) {
            const hash = leaf(size++);
            all.append(hash);
            tree.append(hash);
          }
          const proof = tree.prove();
          expect(proof).toEqual(consistencyProof(before.size, size, node));
          expect(verifyConsistency(before, all, proof)).toBe(true);
        }
      },
    ),
    { numRuns: 150 },
  );
});
