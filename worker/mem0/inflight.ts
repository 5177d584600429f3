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

/** The bytes that one request holds; given back once, when the request ends. */
export class Hold {
  readonly #inflight: InflightBytes;
  #bytes = 0;

  constructor(inflight: InflightBytes) {
    this.#inflight = inflight;
  }

  /** Takes more if it fits. */
  take(bytes: number): boolean {
    if (!this.#inflight.take(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  release(): void {
    this.#inflight.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}
