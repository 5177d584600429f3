import type { GateRequest } from '../../core/rpc.ts';
import { type Clock, clockAt } from './clock.ts';
import { KINDS, type Kind } from './request.ts';
import { SlidingWindow, type StoredWindow, type Verdict, type WindowWrite } from './window.ts';

export interface StoredGate {
  /** `undefined` when nothing was ever written, or everything was deleted. */
  readonly clock: Clock | undefined;
  readonly windows: ReadonlyMap<Kind, StoredWindow>;
}

export interface GateWrite {
  readonly kind: Kind;
  readonly clock: Clock;
  readonly window: WindowWrite;
}

/** An unused gate's storage is kept for an hour at least, so that an actor who pauses costs no set-up. */
const MIN_IDLE_MS = 3_600_000;

/**
 * An actor's gate: two sliding windows with the same rules that share nothing but the clock. Made from
 * storage, at the start and after a write that failed; it does no I/O itself.
 */
export class Gate {
  #clock: Clock;
  #lastUse: number;
  readonly #windows: ReadonlyMap<Kind, SlidingWindow>;

  /** `wall` is the wall clock in milliseconds; `slots` the size of a reservation. */
  constructor(stored: StoredGate, wall: number, slots: number) {
    this.#clock = clockAt(stored.clock, wall);
    this.#lastUse = stored.clock?.mark ?? Number.NEGATIVE_INFINITY;
    const now = this.#clock.mark;
    this.#windows = new Map(
      KINDS.map((kind) => [kind, new SlidingWindow(stored.windows.get(kind), now, slots)]),
    );
  }

  /** Decides a sane request (see request.ts). The answer may be released once its write is durable. */
  admit(request: GateRequest, wall: number): Verdict<GateWrite> {
    const now = this.#tick(wall);
    this.#lastUse = now;
    const { answer, write } = this.#windows.get(request.kind)!.admit(request, now);
    return write === undefined
      ? { answer }
      : { answer, write: { kind: request.kind, clock: this.#clock, window: write } };
  }

  /**
   * Milliseconds until the storage may be deleted, if the gate is not used before: an hour or two windows
   * after the last use, whichever is longer. 0: now.
   *
   * The monotone mark goes with it, and invariant 6 holds without it: the mark is only ever compared with
   * stamps, and by then no stamp and no reservation is left in either window, so the next request begins
   * a new clock over an empty log. Whatever the wall clock does in between, there is nothing that a clock
   * behind the old one could hold back, and nothing that one ahead of it could let go too early.
   */
  deletableIn(wall: number): number {
    const now = this.#tick(wall);
    const windows = [...this.#windows.values()];
    const idleMs = Math.max(MIN_IDLE_MS, ...windows.map(({ keptMs }) => 2 * keptMs));
    return Math.max(0, this.#lastUse + idleMs - now, ...windows.map((window) => window.emptyIn(now)));
  }

  #tick(wall: number): number {
    this.#clock = clockAt(this.#clock, wall);
    return this.#clock.mark;
  }
}
