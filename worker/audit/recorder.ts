import { auditLogObject } from '../../core/names.ts';
import type { AppendAnswer, AppendEntry, AuditLogRpc } from '../../core/rpc.ts';
import { Waits, within } from '../waits.ts';

/** A record's place, once it is durable. */
export type Receipt = Extract<AppendAnswer, { ok: true }>;

/** An append did not come to a durable record. `code` is the object's refusal, or that it did not answer. */
export class NotRecorded extends Error {
  readonly code: 'key_conflict' | 'full' | 'forked' | 'invalid_record' | 'unreachable';
  constructor(code: NotRecorded['code']) {
    super(`not recorded: ${code}`);
    this.name = 'NotRecorded';
    this.code = code;
  }
}

/** Where a record goes: the shard that this isolate keeps to, or its intent's. */
export interface LogTarget {
  readonly tenant: string;
  readonly shard: number;
}

export interface RecorderOptions {
  readonly object: (name: string) => AuditLogRpc;
  /** Number of shards per tenant. */
  readonly shards: number;
  /** How long one call may take before the same entries are sent again. */
  readonly attemptMs?: number;
  /** How long a batch stays open at most while the call before is on its way. */
  readonly heldMs?: number;
  /** Draws this isolate's shard. */
  readonly random?: () => number;
  /** One turn of the event loop, for which a batch stays open while other requests are under way and no call is. */
  readonly turn?: () => Promise<void>;
}

interface Waiting {
  readonly entry: AppendEntry;
  readonly settle: (answer: AppendAnswer | undefined) => void;
}

/** Entries that go in one call. */
interface Batch {
  readonly waiting: Waiting[];
  readonly openedAt: number;
}

/** One call carries at most this many records, so that its answer stays quick. */
const BATCH = 250;

/**
 * While the call before is on its way a batch stays open, at most for this long: a call and its write to disk cost the
 * same for one record as for many.
 */
const HELD_MS = 5;

/** One that is open for longer has lost its leader, and nobody joins it. */
const ABANDONED_MS = 100;

/**
 * Appends records, sharing one call among the requests of an isolate that come within one turn of the event loop, or
 * while the call before is on its way (group commit). The request that opens a batch leads it: the call runs under that
 * request's `waitUntil`, so its client going away does not end it. Should it end all the same, its followers get no answer
 * in time and send their own entries again under the same keys, which the object recognises.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #attemptMs: number;
  /** This isolate's shard of each tenant. */
  readonly #shards = new Map<string, number>();
  /** Batches that are still open, by object. Owned by the request that opened them until it closes them. */
  readonly #open = new Map<string, Batch>();
  /** The end of the last call that is on its way, by object. Owned by the request that made the call. */
  readonly #calls = new Map<string, Promise<void>>();
  /** Requests that are under way. Each counts itself out; one that is killed does not, which costs others a turn each. */
  #underWay = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#attemptMs = options.attemptMs ?? 5000;
  }

  /** The log that this isolate writes a tenant's new records to. */
  target(tenant: string): LogTarget {
    let shard = this.#shards.get(tenant);
    if (shard === undefined) {
      shard = Math.floor((this.#options.random ?? Math.random)() * this.#options.shards);
      // Tenants are few per isolate; the bound only keeps a flood of them from holding memory for ever.
      if (this.#shards.size >= 10_000) this.#shards.clear();
      this.#shards.set(tenant, shard);
    }
    return { tenant, shard };
  }

  /** Says that a request is under way that will append, and returns what is to be called when it has ended. */
  setOut(): () => void {
    this.#underWay++;
    return () => {
      this.#underWay--;
    };
  }

  /**
   * Returns when the record is durable. Retries with the same key for `patienceMs`.
   * @param waits of the request, when it waits for more than this.
   * @throws NotRecorded when it is not, and then nobody may act as if it were.
   */
  async append(
    target: LogTarget,
    entry: AppendEntry,
    waitUntil: (promise: Promise<unknown>) => void,
    patienceMs: number,
    waits?: Waits,
  ): Promise<Receipt> {
    const own = waits ?? new Waits();
    try {
      return await this.#append(target, entry, waitUntil, patienceMs, own);
    } finally {
      if (own !== waits) own.end();
    }
  }

  async #append(
    target: LogTarget,
    entry: AppendEntry,
    waitUntil: (promise: Promise<unknown>) => void,
    patienceMs: number,
    waits: Waits,
  ): Promise<Receipt> {
    const name = auditLogObject(target.tenant, target.shard);
    const giveUp = Date.now() + patienceMs;
    for (let attempt = 0; ; attempt++) {
      const timeoutMs = Math.min(this.#attemptMs, patienceMs);
      const answer = await this.#once(name, entry, waitUntil, timeoutMs, waits);
      if (answer?.ok) return answer;
      if (answer) throw new NotRecorded(answer.code);
      const pause = Math.min(50 * 2 ** attempt, 2000) * (0.5 + Math.random() / 2);
      if (Date.now() + pause >= giveUp) throw new NotRecorded('unreachable');
      await sleep(pause);
    }
  }

  /** One attempt; `undefined` when no answer came. */
  #once(
    name: string,
    entry: AppendEntry,
    waitUntil: (promise: Promise<unknown>) => void,
    timeoutMs: number,
    waits: Waits,
  ): Promise<AppendAnswer | undefined> {
    // Not `new Promise`: another request settles it. workerd notes at its making which request a promise belongs to, so
    // that whoever awaits it goes on as itself; once V8 has optimised this function (after some 15,000 calls), it makes
    // such a promise inline and without the note, and all who joined a batch go on as its leader and hang.
    const { promise, resolve } = Promise.withResolvers<AppendAnswer | undefined>();
    // The timer is also what the runtime sees this request wait for: without one of its own, one that joined a batch is
    // taken for a request that hangs, and is ended.
    const over = waits.after(timeoutMs, () => resolve(undefined));
    const waiting: Waiting = {
      entry,
      settle: (answer) => {
        over();
        resolve(answer);
      },
    };
    const now = Date.now();
    const batch = this.#open.get(name);
    if (batch && batch.waiting.length < BATCH && now - batch.openedAt < ABANDONED_MS) {
      batch.waiting.push(waiting);
      return promise;
    }
    const mine: Batch = { waiting: [waiting], openedAt: now };
    this.#open.set(name, mine);
    waitUntil(this.#lead(name, mine));
    return promise;
  }

  async #lead(name: string, batch: Batch): Promise<void> {
    const before = this.#calls.get(name);
    // A timer, however short, takes a millisecond: a request that is alone waits only for what it appends itself.
    if (before) await within(this.#options.heldMs ?? HELD_MS, before);
    else if (this.#underWay === 1) await undefined;
    else await (this.#options.turn ?? turn)();
    // Closed before the call: what comes from here on opens another batch.
    if (this.#open.get(name) === batch) this.#open.delete(name);
    const { waiting } = batch;
    // Like a batch's promises it is awaited by other requests.
    const { promise: call, resolve: end } = Promise.withResolvers<void>();
    this.#calls.set(name, call);
    try {
      const answers = await this.#options.object(name).append(waiting.map(({ entry }) => entry));
      waiting.forEach(({ settle }, i) => {
        settle(answers[i]);
      });
    } catch {
      for (const { settle } of waiting) settle(undefined);
    } finally {
      if (this.#calls.get(name) === call) this.#calls.delete(name);
      end();
    }
  }
}

function turn(): Promise<void> {
  return sleep(0);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
