import { hashBytes, hashHex } from '#digest';

/**
 * Merkle trees as RFC 6962 §2.1 has them, over hashes that somebody else keeps. A hash is 32 bytes. Sizes and
 * indexes are whole numbers up to 2^53 - 1, so nothing here uses bit operators, which end at 2^31.
 */

export const HASH_BYTES = 32;

/**
 * Where hashes come from: the root of the complete subtree of 2^level leaves that begins at leaf
 * index × 2^level. Level 0 is the leaf hashes. It is asked for subtrees inside the tree only.
 */
export type HashSource = (level: number, index: number) => Uint8Array;

const NODE_PREFIX = 1;

/** The hash of a leaf: SHA-256 over 0x00 and its bytes. */
export function hashLeaf(bytes: Uint8Array): Uint8Array {
  const size = 1 + bytes.length;
  const input = size > leaf.length ? new Uint8Array(size) : leaf.subarray(0, size);
  input.set(bytes, 1);
  return hashBytes(input);
}

/** The hash of a text's UTF-8 as a leaf, hex, and how many bytes they are. */
export function hashText(text: string): { readonly leaf: string; readonly size: number } {
  // No character takes more than three bytes.
  const input = 1 + 3 * text.length > leaf.length ? new Uint8Array(1 + 3 * text.length) : leaf;
  const { written: size } = encoder.encodeInto(text, input.subarray(1));
  return { leaf: hashHex(input.subarray(0, 1 + size)), size };
}

const encoder = new TextEncoder();

/** The input of the leaf that is hashed now, behind 0x00; a larger one than most records need. */
const leaf = new Uint8Array(4096);

/** The hash of an inner node: SHA-256 over 0x01 and its children's hashes. */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hashBytes(node);
}

/** The input of the node that is hashed now. Two are never hashed at a time. */
const node = Uint8Array.of(NODE_PREFIX, ...new Uint8Array(2 * HASH_BYTES));

/** The root of the tree without leaves: SHA-256 over nothing. */
export const EMPTY_ROOT: Uint8Array = hashBytes(new Uint8Array());

/** Whether two hashes are the same. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The root of the first `size` leaves. @throws RangeError */
export function rootOf(size: number, source: HashSource): Uint8Array {
  checkSize(size);
  return size === 0 ? EMPTY_ROOT : rangeRoot(0, size, source);
}

/**
 * The audit path of a leaf in the tree of `size` leaves, from the leaf upwards (RFC 6962 §2.1.1).
 * @throws RangeError when the tree has no such leaf.
 */
export function inclusionProof(index: number, size: number, source: HashSource): Uint8Array[] {
  checkSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw new RangeError('no such leaf');
  const path: Uint8Array[] = [];
  let [low, high] = [0, size];
  while (high - low > 1) {
    const middle = low + split(high - low);
    if (index < middle) {
      path.push(rangeRoot(middle, high, source));
      high = middle;
    } else {
      path.push(rangeRoot(low, middle, source));
      low = middle;
    }
  }
  return path.reverse();
}

/**
 * Proves that the tree of `to` leaves begins with the tree of `from` leaves (RFC 6962 §2.1.2). Every tree begins
 * with the empty one: for 0 the proof is empty, as it is for equal sizes.
 * @throws RangeError when `from` is beyond `to`.
 */
export function consistencyProof(from: number, to: number, source: HashSource): Uint8Array[] {
  checkSize(from);
  checkSize(to);
  if (from > to) throw new RangeError('the smaller size comes first');
  if (from === 0) return [];
  const path: Uint8Array[] = [];
  let [low, high] = [0, to];
  while (from !== high) {
    const middle = low + split(high - low);
    if (from <= middle) {
      path.push(rangeRoot(middle, high, source));
      high = middle;
    } else {
      path.push(rangeRoot(low, middle, source));
      low = middle;
    }
  }
  // What lies left of `low` is proven by its neighbours; only when nothing does is this the old root itself.
  if (low > 0) path.push(rangeRoot(low, high, source));
  return path.reverse();
}

/** Whether a leaf hash is at `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2). */
export function verifyInclusion(
  { index, size, root }: { readonly index: number; readonly size: number; readonly root: Uint8Array },
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let [at, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = hashNode(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, half(last)];
    } else {
      hash = hashNode(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameHash(hash, root);
}

/** A tree as somebody claims it to be. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether the tree `to` begins with the tree `from` (RFC 9162 §2.1.4.2). */
export function verifyConsistency(from: TreeHead, to: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (!isSize(from.size) || !isSize(to.size) || !areHashes([from.root, to.root, ...proof])) return false;
  if (from.size > to.size) return false;
  if (from.size === 0) return proof.length === 0 && sameHash(from.root, EMPTY_ROOT);
  if (from.size === to.size) return proof.length === 0 && sameHash(from.root, to.root);
  let [at, last] = [from.size - 1, to.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  // A whole subtree is its own beginning; its root is known to both sides and not in the proof.
  const path = at === 0 ? [from.root, ...proof] : proof;
  let old = path[0];
  if (old === undefined) return false;
  let now = old;
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      old = hashNode(sibling, old);
      now = hashNode(sibling, now);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, half(last)];
    } else {
      now = hashNode(now, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameHash(old, from.root) && sameHash(now, to.root);
}

/**
 * The edge of a tree that grows: the roots of the complete subtrees that make it up, largest first. It is all that
 * an append needs, one hash per bit of the size at most, and enough for the root. Two trees with the same edge are
 * the same tree.
 */
export class Frontier {
  #size: number;
  readonly #hashes: Uint8Array[];

  /** @throws RangeError when the hashes are not as many as the size has subtrees. */
  constructor(size = 0, hashes: readonly Uint8Array[] = []) {
    checkSize(size);
    if (hashes.length !== subtrees(0, size).length || !areHashes(hashes)) {
      throw new RangeError('not the frontier of this size');
    }
    this.#size = size;
    this.#hashes = [...hashes];
  }

  get size(): number {
    return this.#size;
  }

  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }

  append(leaf: Uint8Array): void {
    let hash = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = half(rest)) {
      hash = hashNode(this.#hashes.pop()!, hash);
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  get root(): Uint8Array {
    return this.#size === 0 ? EMPTY_ROOT : fold(this.#hashes);
  }
}

/**
 * The root over leaves `low` to `high` - 1, where `low` is a multiple of a power of two that is at least as large
 * as the range: every range that a proof names is one.
 */
function rangeRoot(low: number, high: number, source: HashSource): Uint8Array {
  return fold(subtrees(low, high).map(({ level, index }) => source(level, index)));
}

/** The complete subtrees that a range is made of, largest first. */
function subtrees(low: number, high: number): { readonly level: number; readonly index: number }[] {
  const found: { level: number; index: number }[] = [];
  for (let at = low; at < high; ) {
    let [level, width] = [0, 1];
    while (width * 2 <= high - at) [level, width] = [level + 1, width * 2];
    found.push({ level, index: at / width });
    at += width;
  }
  return found;
}

function fold(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((right, left) => hashNode(left, right));
}

/** The largest power of two below `size`, for a size of at least 2. */
function split(size: number): number {
  let width = 1;
  while (width * 2 < size) width *= 2;
  return width;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkSize(size: number): void {
  if (!isSize(size)) throw new RangeError('not a size');
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every(({ length }) => length === HASH_BYTES);
}
