import { type CryptoKey, importJWK, type JWK } from 'jose';

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

interface Held {
  readonly keys: ReadonlyMap<string, JWK>;
  /** The set's text, to tell whether it changed. */
  readonly text: string;
  readonly fetchedAt: number;
  readonly generation: number;
}

const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;
const MAX_KID = 256;
const KTY: { readonly [prefix: string]: string } = { RS: 'RSA', PS: 'RSA', ES: 'EC', Ed: 'OKP' };

/**
 * One issuer's keys, from the configured URL only. One request fetches at a time, and the others look again until
 * it has: they share no promise with it, because a promise of another request's can die with that request. What
 * is fetched when is bounded by the cooldown.
 */
export class KeySet {
  readonly #options: Required<KeySetOptions>;
  #held: Held | undefined;
  /** When a fetch was last begun; owned by `#refresh`. */
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Wall time until which a request may be fetching; 0 when none is. Owned by `#refresh`. */
  #busyUntil = 0;
  /** Imported keys of the held set, by key id and algorithm. */
  readonly #imported = new Map<string, CryptoKey>();

  constructor(options: KeySetOptions) {
    this.#options = { freshMs: 600_000, cooldownMs: 30_000, timeoutMs: 5000, ...options };
  }

  /** The generation of the set that is held: grows whenever the set changes. 0: none is held. */
  get generation(): number {
    return this.#held?.generation ?? 0;
  }

  /** The key for a header's `kid` and `alg`. A path-like or odd key id matches nothing and is never sent on. */
  async find(kid: string, alg: string, now: number): Promise<FoundKey> {
    if (!(await this.#fresh(now))) return { ok: false, reason: 'keys_unavailable' };
    let jwk = this.#held?.keys.get(kid);
    if (!jwk) await this.#settled();
    jwk ??= this.#held?.keys.get(kid);
    if (!jwk && now - this.#triedAt >= this.#options.cooldownMs) {
      await this.#refresh(now);
      jwk = this.#held?.keys.get(kid);
    }
    if (!jwk || !suits(jwk, alg)) return { ok: false, reason: 'key_unknown' };
    const name = `${alg} ${kid}`;
    let key = this.#imported.get(name);
    if (!key) {
      try {
        key = (await importJWK(jwk, alg)) as CryptoKey;
      } catch {
        return { ok: false, reason: 'key_unknown' };
      }
      this.#imported.set(name, key);
    }
    return { ok: true, key, generation: this.generation };
  }

  /** Whether a set is held that may be used now, fetching it when it is due. */
  async ready(now: number): Promise<boolean> {
    return this.#fresh(now);
  }

  async #fresh(now: number): Promise<boolean> {
    const { freshMs, cooldownMs, maxStaleMs } = this.#options;
    const age = this.#held ? now - this.#held.fetchedAt : Number.POSITIVE_INFINITY;
    if (age < freshMs) return true;
    // Without any keys there is nothing to serve meanwhile, so only a moment is waited between tries.
    const pause = this.#held ? cooldownMs : 1000;
    if (now - this.#triedAt >= pause) await this.#refresh(now);
    else if (!this.#held) await this.#settled();
    return this.#held !== undefined && now - this.#held.fetchedAt < freshMs + maxStaleMs;
  }

  /** Waits while another request fetches, for as long as a fetch may take. */
  async #settled(): Promise<void> {
    while (Date.now() < this.#busyUntil) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Keeps what is held when the fetch fails. */
  async #refresh(now: number): Promise<void> {
    this.#triedAt = now;
    this.#busyUntil = Date.now() + this.#options.timeoutMs;
    const text = await this.#read();
    this.#busyUntil = 0;
    const keys = text === undefined ? undefined : readKeys(text);
    if (text === undefined || !keys) return;
    const changed = this.#held?.text !== text;
    if (changed) this.#imported.clear();
    this.#held = { keys, text, fetchedAt: now, generation: this.generation + (changed ? 1 : 0) };
  }

  async #read(): Promise<string | undefined> {
    const { url, fetch, timeoutMs } = this.#options;
    try {
      const response = await fetch(url, {
        redirect: 'manual',
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
function readKeys(text: string): ReadonlyMap<string, JWK> | undefined {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return undefined;
  }
  const list = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list) || list.length > MAX_KEYS) return undefined;
  const keys = new Map<string, JWK>();
  for (const jwk of list as JWK[]) {
    const named = typeof jwk?.kid === 'string' && jwk.kid.length > 0 && jwk.kid.length <= MAX_KID;
    // A key set is public: a private or symmetric member in it is a mistake that no key is taken from.
    if (named && jwk.use !== 'enc' && jwk.kty !== 'oct' && !('d' in jwk)) keys.set(jwk.kid!, jwk);
  }
  return keys;
}

/** Whether a key is of the algorithm's kind (RFC 8725 §3.1: one key, one algorithm). */
function suits(jwk: JWK, alg: string): boolean {
  if (jwk.kty !== KTY[alg.slice(0, 2)]) return false;
  if (jwk.alg !== undefined && jwk.alg !== alg && !(alg === 'EdDSA' && jwk.alg === 'Ed25519')) return false;
  if (alg === 'ES256') return jwk.crv === 'P-256';
  return alg !== 'ES384' || jwk.crv === 'P-384';
}
