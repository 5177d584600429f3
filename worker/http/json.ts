import { type ScanFault, scanJson } from './json-scan.ts';

export interface JsonLimits {
  /** Containers inside each other. */
  readonly depth: number;
  /** Values of any kind, containers included. */
  readonly nodes: number;
}

export const JSON_LIMITS: JsonLimits = { depth: 32, nodes: 50_000 };

/** Why a body is not acceptable JSON. */
export type JsonFault = ScanFault | 'empty' | 'byte_order_mark' | 'not_utf8' | 'syntax';

/** The same, as the caller reads it. */
export const JSON_FAULTS: { readonly [F in JsonFault]: string } = {
  empty: 'There is no body, and this method needs one.',
  byte_order_mark: 'The body begins with a byte order mark; leave it out.',
  not_utf8: 'The body is not UTF-8.',
  syntax: 'The body is not JSON.',
  too_deep: `Objects and lists may stand in one another ${JSON_LIMITS.depth} deep.`,
  too_many_values: `A body has at most ${JSON_LIMITS.nodes} values.`,
  duplicate_name: 'An object has two members of one name.',
  forbidden_name: 'No member may be called __proto__, constructor or prototype.',
  lone_surrogate: 'A text holds half a surrogate pair, which is no character.',
  nul_character: 'A text holds U+0000, which cannot be stored.',
  number_out_of_range: 'A number is beyond what a double can hold; send it as a text.',
};

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  /** `pointer` (RFC 6901) is where the fault lies, as far as that can be said; see `scanJson`. */
  | { readonly ok: false; readonly reason: JsonFault; readonly pointer: string };

// `ignoreBOM` keeps the mark, which would otherwise vanish unseen; it is refused before decoding.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads I-JSON (RFC 7493): UTF-8 without a byte order mark, no duplicate names however they are spelt, no
 * lone surrogates, no number that a double cannot hold. Beyond that it refuses U+0000, which Postgres cannot
 * store, and the names `__proto__`, `constructor` and `prototype`. Every reader downstream then sees the
 * same value. Never throws, and takes nothing of the text into its answer.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = JSON_LIMITS): ParsedJson {
  const encoding = encodingFault(bytes);
  if (encoding) return { ok: false, reason: encoding, pointer: '' };
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { ok: false, reason: 'not_utf8', pointer: '' };
  }
  // The scan is bounded by the limits, so a hostile text is refused before anything is built from it.
  const fault = scanJson(text, limits);
  if (fault) return { ok: false, ...fault };
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    return { ok: false, reason: 'syntax', pointer: '' };
  }
}

function encodingFault(bytes: Uint8Array): JsonFault | undefined {
  if (bytes.length === 0) return 'empty';
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'byte_order_mark';
  // UTF-16 and UTF-32 marks are no UTF-8; without a mark, one of the first two bytes of either is 0.
  return bytes[0] === 0 || bytes[1] === 0 ? 'not_utf8' : undefined;
}
