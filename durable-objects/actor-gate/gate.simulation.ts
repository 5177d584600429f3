import type { GateAnswer, GateRequest } from '../../core/rpc.ts';
import type { Clock } from './clock.ts';
import { Gate, type GateWrite, type StoredGate } from './gate.ts';
import type { Kind } from './request.ts';
import type { Reservation, Stamp } from './window.ts';

/** A write that failed: it left nothing, or it was made and its success was not heard of. */
export type Fault = 'lost' | 'persisted';

/** A gate with a wall clock, over storage that holds what was written and nothing else. */
export class SimulatedObject {
  wall = 1_000_000;
  writes = 0;
  readonly #slots: number;
  #gate: Gate | undefined;
  #clock: Clock | undefined;
  readonly #windows = new Map<
    Kind,
    { stamps: Map<number, Stamp>; reservation: Reservation; keptMs: number }
  >();

  constructor(slots: number) {
    this.#slots = slots;
  }

  restart(): void {
    this.#gate = undefined;
  }

  get running(): boolean {
    return this.#gate !== undefined;
  }

  /** `undefined` when the request had a write and the write failed: nobody was answered. */
  admit(request: GateRequest, fault?: Fault): GateAnswer | undefined {
    this.#gate ??= new Gate(this.#load(), this.wall, this.#slots);
    const { answer, write } = this.#gate.admit(request, this.wall);
    if (write === undefined) return answer;
    if (fault !== 'lost') this.#save(write);
    if (fault === undefined) return answer;
    this.#gate = undefined;
    return undefined;
  }

  deletableIn(): number {
    return (this.#gate ?? new Gate(this.#load(), this.wall, this.#slots)).deletableIn(this.wall);
  }

  durable(kind: Kind): Stamp[] {
    return [...(this.#windows.get(kind)?.stamps.values() ?? [])];
  }

  #load(): StoredGate {
    const windows = new Map(
      [...this.#windows].map(([kind, { stamps, ...rest }]) => [
        kind,
        { ...rest, stamps: [...stamps.values()].sort((a, b) => a.n - b.n) },
      ]),
    );
    return { clock: this.#clock, windows };
  }

  #save({ kind, clock, window }: GateWrite): void {
    this.writes++;
    const stamps = this.#windows.get(kind)?.stamps ?? new Map<number, Stamp>();
    for (const n of [...stamps.keys()]) if (n <= window.deleteThrough) stamps.delete(n);
    for (const stamp of window.insert) {
      if (stamps.has(stamp.n)) throw new Error(`stamp ${stamp.n} was written twice`);
      stamps.set(stamp.n, stamp);
    }
    this.#windows.set(kind, { stamps, reservation: window.reservation, keptMs: window.keptMs });
    this.#clock = clock;
  }
}

/** Every admission of one kind with its time and weight. It shares nothing with the gate. */
export class Model {
  #admissions: { readonly at: number; readonly weight: number }[] = [];

  add(at: number, weight: number): void {
    this.#admissions.push({ at, weight });
  }

  /** A gate cannot know what was gone from its longest window before a longer one was asked for. */
  forget(through: number): void {
    this.#admissions = this.#admissions.filter(({ at }) => at > through);
  }

  used(now: number, windowMs: number): number {
    return this.#within(now, windowMs).reduce((sum, { weight }) => sum + weight, 0);
  }

  resetIn(now: number, windowMs: number): number {
    const oldest = this.#within(now, windowMs)[0];
    return oldest === undefined ? 0 : oldest.at + windowMs - now;
  }

  /** The wait until `weight` fits: tries each moment at which something leaves. */
  roomIn(now: number, windowMs: number, weight: number, limit: number): number {
    const moments = this.#within(now, windowMs).map(({ at }) => at + windowMs);
    return moments.find((at) => this.used(at, windowMs) + weight <= limit)! - now;
  }

  #within(now: number, windowMs: number) {
    return this.#admissions.filter(({ at }) => at <= now && at > now - windowMs);
  }
}
