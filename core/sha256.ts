import { hashHex } from '#digest';

const encoder = new TextEncoder();
/** Longer than most texts that are hashed; owned by the call that runs. */
const kept = new Uint8Array(4096);

/** SHA-256 of a text's UTF-8, hex. */
export function sha256(text: string): string {
  // No UTF-16 code unit takes more than three bytes.
  if (text.length * 3 > kept.length) return hashHex(encoder.encode(text));
  const { written } = encoder.encodeInto(text, kept);
  return hashHex(kept.subarray(0, written));
}

/** The first byte of that, for whoever spreads texts over a few places. */
export function firstByte(text: string): number {
  return Number.parseInt(sha256(text).slice(0, 2), 16);
}
