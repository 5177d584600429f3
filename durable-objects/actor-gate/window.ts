import type { GateAnswer, GateRequest } from '../../core/rpc.ts';
import { impossible } from './request.ts';

/** Weight that was admitted, and the answer that was given. Times are the object's clock, in milliseconds. */
export interface Stamp {
  /** Tells stamps of one millisecond apart; counts up from 1. */
  readonly n: number;
  /** It counts in every window that ends at `at` or later and before `at` + the window's length. */
  readonly at: number;
  readonly weight: number;
  /** The request's id; `null` for slots of a reservation whose use a restart made unknown. */
  readonly id: string | null;
  readonly answer: GateAnswer;
}

/** Weight that may be admitted before `until` without another write. */
export interface Reservation {
  readonly slots: number;
  readonly until: number;
}

export interface StoredWindow {
  /** In the order of `n`. */
  readonly stamps: readonly Stamp[];
  readonly reservation: Reservation;
  /** The longest window that was ever asked for: stamps are kept for as long. */
  readonly keptMs: number;
}

/** What must be durable, as one, before the answer beside it is released. */
export interface WindowWrite {
  readonly insert: readonly Stamp[];
  /** Stamps up to this number have left every window and are to be deleted. */
  readonly deleteThrough: number;
  readonly reservation: Reservation;
  readonly keptMs: number;
}

export interface Verdict<W> {
  readonly answer: GateAnswer;
  readonly write?: W;
}

const NO_RESERVATION: Reservation = { slots: 0, until: 0 };

/** Weight of a fiftieth of the limit is small: an actor who is refused it too early hardly loses anything. */
const SMALL = 50;

/**
 * A limit is high when its five-hundredth is more than the slots that are asked for. Its reservation is a fiftieth of it,
 * of which each write takes a five-hundredth.
 */
const SLIVER = 500;

/** A reservation lives for a tenth of the window, a small one for half of it; see `SlidingWindow`. */
const LIFE = { part: 10, partOfSmall: 2 };

/**
 * An exact sliding log: a request of weight w at time t is admitted when the weight of the stamps in
 * (t − windowMs, t] plus w is at most its own limit. Refused requests leave no stamp.
 *
 * Writes are saved by reserving: each write holds every stamp so far and grants a few slots for the time
 * up to `until`. Admissions that fit into those slots are answered without another write. A restart cannot
 * know how many slots were used, so it counts all of them, at `until` or at the restart, whichever comes
 * first: the latest moment at which they can have been used, because the platform runs no event in an
 * instance that another has replaced.
 *
 * Such unknown weight is never more than one reservation in all (`slots`, or a fiftieth of a high limit), because
 * what is still in the window is taken off the next one. It leaves one window after the restart, and one
 * window after `until` at the latest: a tenth of a window after an idle actor's own stamps, or half of one. Even then
 * the actor is refused only what weighs more than half of the limit, because no reservation is for more than the
 * other half; and for half a window only what weighs more than all of it but a fiftieth.
 *
 * Nothing here does I/O. After a write that failed the instance is wrong about what is durable: drop it and
 * make another from storage.
 */
export class SlidingWindow {
  readonly #slots: number;
  /** In the order of `n`, which is that of time; holds at least what is in the longest window. */
  readonly #stamps: Stamp[];
  readonly #byId = new Map<string, Stamp>();
  #keptMs: number;
  #weight = 0;
  #unknownWeight = 0;
  /** Stamps that are not durable yet: what the reservation has admitted, and what a restart made of it. */
  #pending: Stamp[] = [];
  #reservation = NO_RESERVATION;
  #spent = 0;
  #lastN: number;
  #forgottenN = 0;

  /** The window as it is at time `now`, which is not before any of the stored stamps. */
  constructor(stored: StoredWindow | undefined, now: number, slots: number) {
    this.#slots = slots;
    this.#keptMs = stored?.keptMs ?? 0;
    this.#stamps = [...(stored?.stamps ?? [])];
    this.#lastN = this.#stamps.at(-1)?.n ?? 0;
    for (const stamp of this.#stamps) this.#count(stamp);
    const { slots: unknown, until } = stored?.reservation ?? NO_RESERVATION;
    if (unknown > 0) {
      this.#add({
        n: ++this.#lastN,
        at: Math.min(until, now),
        weight: unknown,
        id: null,
        answer: UNKNOWN_ANSWER,
      });
    }
  }

  /**
   * Decides one request at time `now`, which must not go back between calls.
   *
   * A refusal says exactly when room returns, provided that nothing else is admitted until then. An id whose
   * stamp is in the window gets the answer it was given first; with another weight it is no retry, and is
   * refused.
   */
  admit(request: GateRequest, now: number): Verdict<WindowWrite> {
    const { id, limit, windowMs, weight } = request;
    this.#keptMs = Math.max(this.#keptMs, windowMs);
    this.#forget(now - this.#keptMs);

    const known = this.#byId.get(id);
    if (known !== undefined && known.at > now - windowMs) {
      return { answer: known.weight === weight ? known.answer : impossible(request) };
    }

    const { first, used } = this.#inWindow(now - windowMs);
    if (used + weight > limit) {
      return {
        answer: {
          admitted: false,
          limit,
          remaining: Math.max(0, limit - used),
          resetMs: this.#leavesIn(first, windowMs, now),
          retryAfterMs: weight > limit ? windowMs : this.#roomIn(first, used + weight - limit, windowMs, now),
        },
      };
    }

    const oldest = this.#stamps[first]?.at ?? now;
    const answer: GateAnswer = {
      admitted: true,
      limit,
      remaining: limit - used - weight,
      resetMs: oldest + windowMs - now,
      retryAfterMs: 0,
    };
    this.#add({ n: ++this.#lastN, at: now, weight, id, answer });
    if (now < this.#reservation.until && this.#spent + weight <= this.#reservation.slots) {
      this.#spent += weight;
      return { answer };
    }
    return { answer, write: this.#reserve(limit, windowMs, now) };
  }

  /** Milliseconds until no stamp is left; 0 when there is none. */
  emptyIn(now: number): number {
    const last = this.#stamps.at(-1);
    return last === undefined ? 0 : Math.max(0, last.at + this.#keptMs - now);
  }

  get keptMs(): number {
    return this.#keptMs;
  }

  #reserve(limit: number, windowMs: number, now: number): WindowWrite {
    const sliver = Math.floor(limit / SLIVER);
    const isHigh = sliver > this.#slots;
    const most = isHigh ? sliver : Math.min(this.#slots, Math.floor(limit / 2));
    const reservation = isHigh ? Math.floor(limit / SMALL) : most;
    const slots = Math.max(0, Math.min(most, reservation - this.#unknownWeight));
    const part = most * SMALL <= limit ? LIFE.partOfSmall : LIFE.part;
    this.#reservation = { slots, until: now + Math.ceil(windowMs / part) };
    this.#spent = 0;
    const insert = this.#pending.filter(({ n }) => n > this.#forgottenN);
    this.#pending = [];
    return { insert, deleteThrough: this.#forgottenN, reservation: this.#reservation, keptMs: this.#keptMs };
  }

  /** The index of the first stamp after `start`, and the weight from there on. */
  #inWindow(start: number): { first: number; used: number } {
    let first = 0;
    let used = this.#weight;
    for (
      let stamp = this.#stamps[0];
      stamp !== undefined && stamp.at <= start;
      stamp = this.#stamps[++first]
    ) {
      used -= stamp.weight;
    }
    return { first, used };
  }

  #leavesIn(index: number, windowMs: number, now: number): number {
    const stamp = this.#stamps[index];
    return stamp === undefined ? 0 : stamp.at + windowMs - now;
  }

  /** Milliseconds until stamps of at least `weight` have left, the one at `first` first. */
  #roomIn(first: number, weight: number, windowMs: number, now: number): number {
    let index = first;
    for (let left = weight - this.#stamps[index]!.weight; left > 0; left -= this.#stamps[index]!.weight)
      index++;
    return this.#leavesIn(index, windowMs, now);
  }

  #add(stamp: Stamp): void {
    this.#stamps.push(stamp);
    this.#pending.push(stamp);
    this.#count(stamp);
  }

  #count(stamp: Stamp): void {
    this.#weight += stamp.weight;
    if (stamp.id === null) this.#unknownWeight += stamp.weight;
    else this.#byId.set(stamp.id, stamp);
  }

  #forget(through: number): void {
    let gone = 0;
    for (
      let stamp = this.#stamps[0];
      stamp !== undefined && stamp.at <= through;
      stamp = this.#stamps[++gone]
    ) {
      this.#forgottenN = stamp.n;
      this.#weight -= stamp.weight;
      if (stamp.id === null) this.#unknownWeight -= stamp.weight;
      else if (this.#byId.get(stamp.id) === stamp) this.#byId.delete(stamp.id);
    }
    if (gone > 0) this.#stamps.splice(0, gone);
  }
}

/** Nobody is given it: a stamp without an id answers no retry. */
const UNKNOWN_ANSWER: GateAnswer = { admitted: true, limit: 0, remaining: 0, resetMs: 0, retryAfterMs: 0 };
