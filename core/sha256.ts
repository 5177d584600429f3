import { hash } from 'node:crypto';

const encoder = new TextEncoder();
/** Longer than most texts that are hashed; owned by the call that runs. */
const kept = new Uint8Array(4096);

/**
 * SHA-256 of a text's UTF-8. Encoded into bytes that are kept: given the text itself, the runtime's `hash` takes half as
 * long again.
 */
export function sha256(text: string, encoding: 'hex' | 'base64' = 'hex'): string {
  // No UTF-16 code unit takes more than three bytes.
  if (text.length * 3 > kept.length) return hash('sha256', encoder.encode(text), encoding);
  const { written } = encoder.encodeInto(text, kept);
  return hash('sha256', kept.subarray(0, written), encoding);
}
