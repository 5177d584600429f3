import { DurableObject } from 'cloudflare:workers';
import type { ActorGateRpc, GateAnswer, GateRequest } from '../../core/rpc.ts';
import { Gate } from './gate.ts';
import { impossible, isSane } from './request.ts';
import { load, save } from './storage.ts';

export interface ActorGateSettings {
  /** Weight that one durable write reserves; after a restart an actor is refused early by at most this. */
  readonly reservationSlots: number;
}

export interface ActorGateDeps {
  /** The wall clock in milliseconds. */
  readonly now?: () => number;
}

/** The Durable Object of one actor in one tenant: a shell over `Gate`. */
export class ActorGateObject<E> extends DurableObject<E> implements ActorGateRpc {
  readonly #slots: number;
  readonly #now: () => number;
  /** What storage and the reservations granted by it say. Owned by this instance; dropped on any failure. */
  #gate: Gate | undefined;

  constructor(ctx: DurableObjectState, env: E, settings: ActorGateSettings, deps: ActorGateDeps = {}) {
    super(ctx, env);
    this.#slots = settings.reservationSlots;
    this.#now = deps.now ?? Date.now;
  }

  /**
   * Admits or refuses one request. Nonsense is refused and touches no state.
   *
   * Nothing may await here: between reading the window and writing it no other request may run. The answer
   * needs no await either, for the runtime's output gate holds it until the write is on disk; that goes for
   * an answer out of a reservation too, whose write came before it.
   *
   * @throws when storage fails. Nothing is admitted then; what the write left behind is read again by the
   *   next call.
   */
  async admit(request: GateRequest): Promise<GateAnswer> {
    if (!isSane(request)) return impossible(request);
    const wall = this.#now();
    const starts = this.#gate === undefined;
    try {
      this.#gate ??= new Gate(load(this.ctx.storage.sql), wall, this.#slots);
      // One that could be deleted now is new, or its alarm has not come. Any other has one: each sets the next.
      const unarmed = starts && this.#gate.deletableIn(wall) === 0;
      const { answer, write } = this.#gate.admit(request, wall);
      if (write !== undefined) this.ctx.storage.transactionSync(() => save(this.ctx.storage.sql, write));
      if (unarmed) void this.ctx.storage.setAlarm(wall + this.#gate.deletableIn(wall));
      return answer;
    } catch (error) {
      this.#gate = undefined;
      throw error;
    }
  }

  /** Deletes the storage of a gate that was not used for long (`Gate.deletableIn`), or waits on. */
  override async alarm(): Promise<void> {
    const wall = this.#now();
    const gate = this.#gate ?? new Gate(load(this.ctx.storage.sql), wall, this.#slots);
    const waitMs = gate.deletableIn(wall);
    if (waitMs > 0) {
      await this.ctx.storage.setAlarm(wall + waitMs);
      return;
    }
    // In this order, with no await between: a reservation that is still cached would outlive its row.
    this.#gate = undefined;
    await this.ctx.storage.deleteAll();
  }
}
