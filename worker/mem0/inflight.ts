/** Counts the bytes of Mem0's answers that one isolate holds, so that they never outgrow its memory. */
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
