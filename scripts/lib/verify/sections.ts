/**
 * What a verification reads, whatever it comes from: the sections of a bundle, in its order. Log by log; in a log the
 * records in order of their indexes, each checkpoint directly behind the records that it covers.
 */
export type Section =
  | { readonly kind: 'tenant'; readonly tenant: string }
  /** Verifier keys that came with the records. They prove nothing about where the records come from. */
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | LogSection
  /** Records at `first`, `first + 1`, …: their exact bytes. */
  | { readonly kind: 'leaves'; readonly first: number; readonly leaves: readonly Uint8Array[] }
  | { readonly kind: 'quarantined'; readonly index: number; readonly sqlstate: string }
  | CheckpointSection
  /** RFC 6962 §2.1.2, from the checkpoint before to this one. */
  | {
      readonly kind: 'consistency';
      readonly from: number;
      readonly to: number;
      readonly proof: readonly Uint8Array[];
    }
  /** The edge of the tree of `size` records, as `Frontier` has it. */
  | { readonly kind: 'frontier'; readonly size: number; readonly hashes: readonly Uint8Array[] }
  /** What the source itself found to be wrong with the log. */
  | { readonly kind: 'fault'; readonly index?: number; readonly what: string }
  /** The file is whole. */
  | { readonly kind: 'end'; readonly logs: number };

export interface LogSection {
  readonly kind: 'log';
  readonly log: string;
  /** The index of the first record here; what is below is elsewhere. */
  readonly start: number;
  /** The index behind the last record here. */
  readonly end: number;
  /** The edge of the tree of `start` records. */
  readonly frontier: readonly Uint8Array[];
}

export interface CheckpointSection {
  readonly kind: 'checkpoint';
  readonly size: number;
  /** The signed note, with the lines of witnesses. */
  readonly note: string;
}

/** Thrown where a source cannot be read on; it says nothing about the records. */
export class Unreadable extends Error {}

/** Where a first fault lies: `last` is there when it is one of the indexes from `index` to `last`. */
export interface Fault {
  readonly log: string;
  readonly index?: number;
  readonly last?: number;
  readonly what: string;
}

/** A tree head from outside of what is verified. */
export interface Head {
  readonly log: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Who says so, in words. */
  readonly by: string;
}

/** Gathers sections; records that follow each other go into one. */
export class Gathering {
  #sections: Section[] = [];
  #first = 0;
  #leaves: Uint8Array[] = [];

  leaf(index: number, bytes: Uint8Array): void {
    if (index !== this.#first + this.#leaves.length) this.#close();
    if (this.#leaves.length === 0) this.#first = index;
    this.#leaves.push(bytes);
  }

  add(...sections: readonly Section[]): void {
    if (sections.length === 0) return;
    this.#close();
    this.#sections.push(...sections);
  }

  /** What was gathered since the last time. */
  take(): Section[] {
    this.#close();
    const taken = this.#sections;
    this.#sections = [];
    return taken;
  }

  #close(): void {
    if (this.#leaves.length > 0)
      this.#sections.push({ kind: 'leaves', first: this.#first, leaves: this.#leaves });
    this.#leaves = [];
  }
}
