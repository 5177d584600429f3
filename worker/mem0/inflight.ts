import { Waits } from '../waits.ts';

/** Counts bytes that one isolate holds, of answers or of bodies, so that they never outgrow its memory. */
export class InflightBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get full(): boolean {
    return this.#held >= this.#max;
  }

  /** Takes `bytes` if they fit. Whoever took them gives them back. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#max) return false;
    this.#held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
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
  #bytes = 0;
  #calls = 0;

  constructor(inflight: InflightBytes, waits: Waits = new Waits()) {
    this.#inflight = inflight;
    this.waits = waits;
  }

  /** Takes more if it fits. */
  take(bytes: number): boolean {
    if (!this.#inflight.take(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Counts a call; false: the request has made as many as it may. */
  call(): boolean {
    this.#calls += 1;
    return this.#calls <= MAX_CALLS;
  }

  release(): void {
    this.#inflight.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}
