import { type CryptoKey, importJWK, type JWK } from 'jose';
import type { Algorithm } from './issuers.ts';

export interface KeySetOptions {
  readonly url: string;
  readonly fetch: typeof fetch;
  /** How long a set that cannot be fetched again is still used. */
  readonly maxStaleMs: number;
  readonly freshMs?: number;
  /** At most one fetch per this time, however many unknown key ids come. */
  readonly cooldownMs?: number;
  readonly timeoutMs?: number;
}

export type FoundKey =
  | { readonly ok: true; readonly key: CryptoKey; readonly generation: number }
  | { readonly ok: false; readonly reason: 'key_unknown' | 'keys_unavailable' };

/** One fetched set. Never changed but for `imported`, so whoever holds it sees keys of one generation. */
interface Held {
  readonly keys: ReadonlyMap<string, readonly JWK[]>;
  /** The set's text, to tell whether it changed. */
  readonly text: string;
  readonly fetchedAt: number;
  /** Grows whenever the set changes; the first set is 1. */
  readonly generation: number;
  /** Keys of this set that were imported, by key id and algorithm. */
  readonly imported: Map<string, CryptoKey>;
}

const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;
/** A key id that a set can hold; a token with any other is not worth a fetch. */
const KID = /^[\x20-\x7e]{1,256}$/;
/** The pause between tries while there are no keys to serve. */
const RETRY_MS = 1000;
/** How much longer than its timeout a fetch counts as running: past that, its request is gone. */
const ABANDONED_MS = 250;
const POLL_MS = 20;

/** The kind of key that each algorithm takes (RFC 7518 §6, RFC 8037 §2). */
const KINDS: { readonly [alg in Algorithm]: { readonly kty: string; readonly crv?: string } } = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
};

/**
 * One issuer's keys, from the configured URL only. One request fetches at a time and the others look again until
 * it has: they share no promise with it, because a promise of another request's can die with that request.
 */
export class KeySet {
  readonly #options: Required<KeySetOptions>;
  /** Owned by `#refresh`. */
  #held: Held | undefined;
  /** The `now` at which a fetch was last begun. Owned by `#refresh`. */
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Wall time until which a request may be fetching; 0 when none is. Owned by `#refresh`. */
  #busyUntil = 0;

  constructor(options: KeySetOptions) {
    this.#options = { freshMs: 600_000, cooldownMs: 30_000, timeoutMs: 5000, ...options };
  }

  /** The generation of the set that may be used at `now` (milliseconds). 0: there is none. */
  generationAt(now: number): number {
    return this.#usable(now)?.generation ?? 0;
  }

  /** The key for a header's `kid` and `alg`. A key id is only ever compared, and never part of a request. */
  async find(kid: string, alg: Algorithm, now: number): Promise<FoundKey> {
    let held = await this.#current(now);
    if (!held) return { ok: false, reason: 'keys_unavailable' };
    if (!held.keys.has(kid) && KID.test(kid)) {
      await this.#refresh(now, this.#options.cooldownMs);
      held = this.#held ?? held;
    }
    const jwk = held.keys.get(kid)?.find((one) => suits(one, alg));
    const key = jwk && (await imported(held, jwk, alg));
    if (!key) return { ok: false, reason: 'key_unknown' };
    return { ok: true, key, generation: held.generation };
  }

  /** Whether keys are held that may be used now, fetching them when they are due. */
  async ready(now: number): Promise<boolean> {
    const held = await this.#current(now);
    return held !== undefined && held.keys.size > 0;
  }

  #usable(now: number): Held | undefined {
    const { freshMs, maxStaleMs } = this.#options;
    return this.#held && now - this.#held.fetchedAt < freshMs + maxStaleMs ? this.#held : undefined;
  }

  async #current(now: number): Promise<Held | undefined> {
    const stale = this.#usable(now);
    if (stale && now - stale.fetchedAt < this.#options.freshMs) return stale;
    // What may still be served is, while another request fetches.
    if (stale && Date.now() < this.#busyUntil) return stale;
    await this.#refresh(now, stale ? this.#options.cooldownMs : RETRY_MS);
    return this.#usable(now);
  }

  /**
   * Fetches the set unless one was begun less than `pause` before `now`; waits for a running one first. A fetch
   * that never ended went away with its request, and one of those who waited takes its place.
   */
  async #refresh(now: number, pause: number): Promise<void> {
    const longest = this.#options.timeoutMs + ABANDONED_MS;
    // Long enough for the one that is running and, if it was abandoned, its successor.
    const patience = Date.now() + 2 * longest;
    while (Date.now() < Math.min(this.#busyUntil, patience)) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    // From here to the fetch nothing may await, or two would fetch.
    if (Date.now() < this.#busyUntil) return;
    const abandoned = this.#busyUntil !== 0;
    if (!abandoned && now - this.#triedAt < pause) return;
    const until = Date.now() + longest;
    this.#triedAt = now;
    this.#busyUntil = until;
    const text = await this.#read();
    // One that was given up and ended after all leaves the state to its successor.
    if (this.#busyUntil !== until) return;
    this.#busyUntil = 0;
    const keys = text === undefined ? undefined : readKeys(text);
    if (text === undefined || !keys) return;
    const before = this.#held;
    this.#held =
      before?.text === text
        ? { ...before, fetchedAt: now }
        : { keys, text, fetchedAt: now, generation: (before?.generation ?? 0) + 1, imported: new Map() };
  }

  async #read(): Promise<string | undefined> {
    const { url, fetch, timeoutMs } = this.#options;
    try {
      const response = await fetch(url, {
        redirect: 'manual',
        cache: 'no-store',
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status !== 200 || !response.body) {
        await response.body?.cancel();
        return undefined;
      }
      const chunks: Uint8Array[] = [];
      let size = 0;
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done)
          return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(Buffer.concat(chunks));
        size += value.length;
        if (size > MAX_BYTES) {
          await reader.cancel();
          return undefined;
        }
        chunks.push(value);
      }
    } catch {
      return undefined;
    }
  }
}

/** The signing keys of a key set (RFC 7517 §5) by key id, or `undefined` when the text is none. */
function readKeys(text: string): ReadonlyMap<string, readonly JWK[]> | undefined {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return undefined;
  }
  const list = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list) || list.length > MAX_KEYS) return undefined;
  return Map.groupBy((list as unknown[]).filter(isSigningKey), ({ kid }) => kid);
}

function isSigningKey(one: unknown): one is JWK & { kid: string } {
  if (typeof one !== 'object' || one === null) return false;
  const { kid, use, key_ops: ops, d } = one as { readonly [name: string]: unknown };
  if (typeof kid !== 'string' || !KID.test(kid)) return false;
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes('verify'))) return false;
  // A private key in a public set is a mistake, and its holder may be anybody.
  return (use === undefined || use === 'sig') && d === undefined;
}

/** Whether a key is the algorithm's kind of key, and not another's (RFC 8725 §3.1: one key, one algorithm). */
function suits(jwk: JWK, alg: Algorithm): boolean {
  const { kty, crv } = KINDS[alg];
  if (jwk.kty !== kty || (crv !== undefined && jwk.crv !== crv)) return false;
  // RFC 9864 §2.2 gives this curve's EdDSA a name of its own.
  return jwk.alg === undefined || jwk.alg === alg || (alg === 'EdDSA' && jwk.alg === 'Ed25519');
}

/** The key for use, or `undefined` when it is none. */
async function imported(held: Held, jwk: JWK, alg: Algorithm): Promise<CryptoKey | undefined> {
  const name = `${alg} ${jwk.kid}`;
  const known = held.imported.get(name);
  if (known) return known;
  try {
    const key = (await importJWK(jwk, alg)) as CryptoKey;
    held.imported.set(name, key);
    return key;
  } catch {
    return undefined;
  }
}
