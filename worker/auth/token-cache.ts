import { sha256 } from '../../core/sha256.ts';
import type { VerifiedToken } from './claims.ts';
import type { KeySet } from './jwks.ts';

/** A verified token is not verified again for at most this long. */
const KEPT_MS = 300_000;
const SIZE = 5000;

interface Entry {
  readonly token: VerifiedToken;
  readonly until: number;
  readonly keys: Pick<KeySet, 'generationAt'>;
  readonly generation: number;
}

/**
 * Tokens that were verified, the least recently used leaving first. The digest of the whole token stands for its
 * issuer, key id and signature; an entry ends with the token, after 300 s, and with the generation of the keys
 * that it was verified with. A failure is never kept.
 */
export class TokenCache {
  /** Insertion order is age of use. */
  readonly #entries = new Map<string, Entry>();
  readonly #size: number;

  constructor(size: number = SIZE) {
    this.#size = size;
  }

  get(text: string, now: number): VerifiedToken | undefined {
    const name = digest(text);
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    this.#entries.delete(name);
    if (now >= entry.until || entry.generation !== entry.keys.generationAt(now)) return undefined;
    this.#entries.set(name, entry);
    return entry.token;
  }

  /** @param generation of the keys that the token was verified with */
  set(text: string, token: VerifiedToken, keys: Entry['keys'], generation: number, now: number): void {
    const name = digest(text);
    this.#entries.delete(name);
    if (this.#entries.size >= this.#size) this.#entries.delete(this.#entries.keys().next().value!);
    const until = Math.min(token.expiresAt * 1000, now + KEPT_MS);
    this.#entries.set(name, { token, until, keys, generation });
  }
}

function digest(text: string): string {
  return sha256(text);
}
