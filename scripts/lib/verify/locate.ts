import { Frontier, HASH_BYTES, hashLeaf } from '../../../core/merkle.ts';
import type { Gateway } from './gateway.ts';
import type { Fault, Head, Section } from './sections.ts';

/** More records than this are not searched: their hashes are held at once. */
const MAX_RECORDS = 4_000_000;

/**
 * Finds the first bad one of the records that a fault names, by asking the gateway which beginnings of the log its own
 * tree goes on from: once for each halving. @returns the fault as it was, where that cannot be said.
 * @throws CommandError from the gateway.
 */
export async function locate(
  fault: Fault,
  sections: AsyncGenerator<readonly Section[], void>,
  gateway: Gateway,
  head: Head,
): Promise<Fault> {
  const { log, index: first, last } = fault;
  if (first === undefined || last === undefined || head.size <= last) return fault;
  const read = last - first < MAX_RECORDS ? await leavesOf(log, first, last, sections) : undefined;
  if (read === undefined) return fault;
  let { edge } = read;
  let [good, bad] = [first, last + 1];
  while (bad - good > 1) {
    const middle = good + Math.floor((bad - good) / 2);
    const tried = new Frontier(good, edge);
    for (let at = good; at < middle; at++) tried.append(read.leaf(at));
    if (await gateway.goesOn(tried, head)) [good, edge] = [middle, tried.hashes];
    else bad = middle;
  }
  return { log, index: good, what: fault.what };
}

/** The edge of the tree before `first`, and the leaf hashes from there up to `last`; `undefined`: some are missing. */
async function leavesOf(
  log: string,
  first: number,
  last: number,
  sections: AsyncGenerator<readonly Section[], void>,
): Promise<{ edge: readonly Uint8Array[]; leaf: (index: number) => Uint8Array } | undefined> {
  const hashes = new Uint8Array((last - first + 1) * HASH_BYTES);
  let tree: Frontier | undefined;
  let edge: readonly Uint8Array[] | undefined;
  let next = -1;
  for await (const batch of sections) {
    for (const section of batch) {
      if (section.kind === 'log') {
        const here = section.log === log && section.start <= first;
        tree = here ? new Frontier(section.start, section.frontier) : undefined;
        if (here) next = section.start;
      }
      if (section.kind !== 'leaves' || tree === undefined || next > last) continue;
      if (section.first !== next) return undefined;
      for (const bytes of section.leaves) {
        if (next === first) edge = tree.hashes;
        if (next > last) break;
        const leaf = hashLeaf(bytes);
        if (next < first) tree.append(leaf);
        else hashes.set(leaf, (next - first) * HASH_BYTES);
        next++;
      }
    }
    if (next > last) break;
  }
  const leaf = (index: number) =>
    hashes.subarray((index - first) * HASH_BYTES, (index - first + 1) * HASH_BYTES);
  return edge && next > last ? { edge, leaf } : undefined;
}
