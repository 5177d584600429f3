import { createHash } from 'node:crypto';

/** How many numbers an embedding has. */
export const DIMENSION = 1024;
const PLACES = 4;

/** How many letters of a word's beginning bring "hiking" near "hikes"; they count less than the word itself. */
const STEM = 3;
const STEM_WEIGHT = 0.7;
/** Words that most texts share say little of what one is about. */
const COMMON_WEIGHT = 0.1;
const COMMON = new Set(
  'a an and are as at be but by do does for from has have he her his how i in is it its me my of on or she that the their they this to was we what when where which who will with you your'.split(
    ' ',
  ),
);

/**
 * A text's embedding, made from its words alone: each word and its beginning are hashed to places and signs, and
 * the sum is brought to length 1. The same text gives the same numbers on every machine, and texts that share
 * words lie near each other.
 */
export function embed(text: string): number[] {
  const vector = new Array<number>(DIMENSION).fill(0);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const weight = COMMON.has(word) ? COMMON_WEIGHT : 1;
    add(vector, word, weight);
    add(vector, `${[...word].slice(0, STEM).join('')}…`, weight * STEM_WEIGHT);
  }
  const length = Math.hypot(...vector);
  // A text without words still needs a direction: a vector of zeros has no angle to any other.
  if (length === 0) return vector.with(0, 1);
  return vector.map((value) => value / length);
}

/** Each token goes to several places, so that two that meet in one of them are still told apart by the others. */
function add(vector: number[], token: string, weight: number): void {
  const hash = createHash('sha256').update(token).digest();
  for (let i = 0; i < PLACES; i++) {
    const bits = hash.readUInt16BE(2 * i);
    const place = bits % DIMENSION;
    vector[place] = (vector[place] ?? 0) + (bits >= 0x8000 ? weight : -weight);
  }
}
