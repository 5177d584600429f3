import { consistencyProof, type Frontier, hashNode } from '../../../core/merkle.ts';

/** The lowest level of which every node is kept: 256 leaves a node, so that millions of records fit anywhere. */
const KEPT_LEVEL = 8;
const BLOCK = 2 ** KEPT_LEVEL;

/**
 * A tree that grows at its end and can prove that it goes on from where it was last marked. Of the leaves it keeps
 * those beside the mark and beside the end.
 */
export class GrownTree {
  readonly #nodes = new Map<number, Uint8Array>();
  /** Leaves by index; those of the mark's block and of the last one. */
  readonly #leaves = new Map<number, Uint8Array>();
  #size: number;
  #mark: number;

  /** @param edge the edge of the tree that it goes on from; its size is the first mark. */
  constructor(edge: Frontier) {
    this.#size = edge.size;
    this.#mark = edge.size;
    let [rest, begin] = [edge.size, 0];
    for (const hash of edge.hashes) {
      const level = Math.floor(Math.log2(rest));
      this.#nodes.set(key(level, begin / 2 ** level), hash);
      begin += 2 ** level;
      rest -= 2 ** level;
    }
  }

  append(leaf: Uint8Array): void {
    this.#leaves.set(this.#size++, leaf);
    if (this.#size % BLOCK !== 0) return;
    for (let level = KEPT_LEVEL; this.#size % 2 ** level === 0; level++) {
      const index = this.#size / 2 ** level - 1;
      this.#nodes.set(key(level, index), this.#node(level, index));
    }
    const block = this.#size / BLOCK - 1;
    if (block !== Math.floor(this.#mark / BLOCK)) this.#drop(block);
  }

  /** The proof from the mark to the end, which is marked then (RFC 6962 §2.1.2). */
  prove(): Uint8Array[] {
    const proof = consistencyProof(this.#mark, this.#size, (level, index) => this.#node(level, index));
    const [before, now] = [this.#mark, this.#size].map((size) => Math.floor(size / BLOCK));
    if (before !== now) this.#drop(before!);
    this.#mark = this.#size;
    return proof;
  }

  #drop(block: number): void {
    for (let i = block * BLOCK; i < (block + 1) * BLOCK; i++) this.#leaves.delete(i);
  }

  #node(level: number, index: number): Uint8Array {
    const node = (level === 0 ? this.#leaves.get(index) : undefined) ?? this.#nodes.get(key(level, index));
    if (node !== undefined) return node;
    if (level === 0) throw new Error('a hash of the tree is missing');
    return hashNode(this.#node(level - 1, index * 2), this.#node(level - 1, index * 2 + 1));
  }
}

/** Levels are below 64, and sizes below 2^47 here. */
function key(level: number, index: number): number {
  return index * 64 + level;
}
