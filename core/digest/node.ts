import { hash } from 'node:crypto';

const HASH_BYTES = 32;

/** SHA-256 (FIPS 180-4 §6.2), hex. */
export function hashHex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** SHA-256 (FIPS 180-4 §6.2), 32 bytes: by way of a string of bytes, which is made faster than a Buffer is. */
export function hashBytes(bytes: Uint8Array): Uint8Array {
  const text = hash('sha256', bytes, 'binary');
  const digest = new Uint8Array(HASH_BYTES);
  for (let i = 0; i < HASH_BYTES; i++) digest[i] = text.charCodeAt(i);
  return digest;
}
