import type { Place } from '../../../core/record.ts';

/** What a record says of another one: it is an intent, or it closes one. */
export interface Half {
  readonly phase: 'intent' | 'outcome' | 'correction';
  /** The request's. */
  readonly id: string;
  /** Closed by the log itself, because nobody knew the end. */
  readonly unknown: boolean;
}

/** An intent, or an outcome or correction, whose other half was not seen. */
export interface Unpaired extends Place {
  readonly request_id: string;
}

/**
 * Pairs intents with what closes them, by request, in whatever order logs are read. It holds what is unpaired, and the
 * requests whose end is not known, because each of these may have one correction.
 */
export class Requests {
  readonly #open = new Map<string, Place>();
  readonly #closings = new Map<string, Place>();
  /** Closed as `unknown` by the log itself. */
  readonly #unknown = new Set<string>();
  readonly #corrections = new Map<string, Place>();

  see({ phase, id, unknown }: Half, place: Place): void {
    if (phase === 'intent') {
      if (!this.#closings.delete(id)) this.#open.set(id, place);
    } else if (phase === 'outcome') {
      if (!this.#open.delete(id)) this.#closings.set(id, place);
      if (unknown && !this.#corrections.delete(id)) this.#unknown.add(id);
    } else if (!this.#unknown.delete(id)) {
      this.#corrections.set(id, place);
    }
  }

  get intents(): readonly Unpaired[] {
    return unpaired(this.#open);
  }

  /** After a fork a request may have been closed in both epochs; else each of these is one too many. */
  get closings(): readonly Unpaired[] {
    return [...unpaired(this.#closings), ...unpaired(this.#corrections)];
  }
}

function unpaired(places: ReadonlyMap<string, Place>): Unpaired[] {
  return [...places].map(([request_id, place]) => ({ ...place, request_id }));
}
