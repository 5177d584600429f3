import { Waits } from '../waits.ts';

/** What one tenant may hold of it all: what is left serves the others, whatever is sent slowly or never ends. */
const SHARE = 3 / 4;

/**
 * Counts bytes that one isolate holds, of answers or of bodies, so that they never outgrow its memory, and by tenant, so that
 * none keeps the others out.
 */
export class InflightBytes {
  readonly #max: number;
  readonly #most: number;
  #held = 0;
  /** By tenant; who holds nothing has no entry. */
  readonly #shares = new Map<string, number>();

  /** @param largest what one tenant may have at any rate: the largest answer, or body, that there may be. */
  constructor(max: number, largest = 0) {
    this.#max = max;
    this.#most = Math.max(largest, max * SHARE);
  }

  get full(): boolean {
    return this.#held >= this.#max;
  }

  /** Takes `bytes` if they fit. Whoever took them gives them back, for the same tenant. */
  take(bytes: number, tenant?: string): boolean {
    if (this.#held + bytes > this.#max) return false;
    if (tenant !== undefined) {
      const share = (this.#shares.get(tenant) ?? 0) + bytes;
      if (share > this.#most) return false;
      if (share > 0) this.#shares.set(tenant, share);
    }
    this.#held += bytes;
    return true;
  }

  giveBack(bytes: number, tenant?: string): void {
    this.#held -= bytes;
    if (tenant === undefined) return;
    const share = (this.#shares.get(tenant) ?? 0) - bytes;
    if (share > 0) this.#shares.set(tenant, share);
    else this.#shares.delete(tenant);
  }
}

/**
 * The most calls to Mem0 in one request. The platform allows a thousand subrequests, and what remains is for the
 * objects: the gate, the log, and up to eight of OwnerIndex.
 */
export const MAX_CALLS = 900;

/** What one request has taken of its isolate: bytes, given back once when it ends, and calls to Mem0. */
export class Hold {
  readonly #inflight: InflightBytes;
  /** What the request waits for; ended by whoever gave them. */
  readonly waits: Waits;
  #tenant: string | undefined;
  #bytes = 0;
  #calls = 0;

  constructor(inflight: InflightBytes, waits: Waits = new Waits()) {
    this.#inflight = inflight;
    this.waits = waits;
  }

  /** Says whose request it is, before it takes anything. */
  for(tenant: string): void {
    this.#tenant = tenant;
  }

  /** Takes more if it fits. */
  take(bytes: number): boolean {
    if (!this.#inflight.take(bytes, this.#tenant)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Counts a call; false: the request has made as many as it may. */
  call(): boolean {
    this.#calls += 1;
    return this.#calls <= MAX_CALLS;
  }

  release(): void {
    this.#inflight.giveBack(this.#bytes, this.#tenant);
    this.#bytes = 0;
  }
}
