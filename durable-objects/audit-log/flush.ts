import type { Batch } from './batch.ts';
import type { AuditMachine, Comparison, ForkCause } from './machine.ts';
import { type AuditSink, SinkFailure, type SinkState } from './sink.ts';

export type Log = (event: string, fields: { readonly [name: string]: string | number | boolean }) => void;

export interface FlushOptions {
  readonly machine: AuditMachine;
  readonly sink: AuditSink;
  readonly log: Log;
  readonly now: () => number;
  readonly batchRows: number;
  readonly intervalMs: number;
  /** 0 ≤ random < 1: spreads the retries of many objects. */
  readonly random: () => number;
}

const MAX_BACKOFF_MS = 60_000;

/** A flush does at most this many calls, so that an alarm ends; what is left waits for the next. */
const MAX_CALLS = 50;

/** Calls on their way at once: while Postgres stores a batch, the next are being sent. */
const CALLS_AT_ONCE = 3;

/** A batch on its way. */
interface Sending {
  readonly batch: Batch;
  readonly end: number;
  /** Never rejects, because the calls before are awaited first. */
  readonly answer: Promise<{ readonly state: SinkState } | { readonly error: unknown }>;
}

const SOON_MS = 15_000;
/** Nothing is lost while it lasts, and the database may be another one by mistake. */
const LATER_MS = 600_000;

/** How long a fork is looked at before the log goes on in another epoch; until then 503. */
const PATIENCE_MS: { readonly [C in ForkCause]: number } = {
  head_ahead: SOON_MS,
  leaf_differs: SOON_MS,
  record_differs: SOON_MS,
  later_epoch: SOON_MS,
  records_gone: LATER_MS,
};

/**
 * Sends records to Postgres and moves the watermark, in the same way after a start as ever: what Postgres has is
 * asked and compared first, then batches follow. It awaits between reading and writing, which is sound because a
 * record below the head never changes, and the watermark only follows what Postgres says of itself.
 */
export class Flusher {
  readonly #options: FlushOptions;
  /** One flush at a time, which all who want one share. */
  #running: Promise<void> | undefined;
  /** Postgres was compared with since this instance started, and nothing failed since. */
  #compared = false;
  /** Rows per call: halved to find a record that Postgres will not take, doubled after each success. */
  #rows: number;
  /** Partitions were asked for in the flush that runs. */
  #madePartitions = false;
  #failures = 0;
  #lastFailure: string | undefined;
  /** The fork that was found, and when this instance first saw it. */
  #fork: { readonly cause: ForkCause; readonly since: number } | undefined;

  constructor(options: FlushOptions) {
    this.#options = options;
    this.#rows = options.batchRows;
  }

  get failures(): number {
    return this.#failures;
  }

  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** Milliseconds to wait before the next flush: the interval, or after failures a backoff with jitter. */
  get pauseMs(): number {
    const { intervalMs, random } = this.#options;
    if (this.#failures === 0) return intervalMs;
    const backoff = Math.min(MAX_BACKOFF_MS, intervalMs * 2 ** Math.min(this.#failures, 16));
    return Math.round(backoff * (0.5 + random() / 2));
  }

  /** Whether the alarm should flush even though nothing is waiting. */
  get unsettled(): boolean {
    return !this.#compared;
  }

  /** Never throws for what Postgres does. @throws when the object's own storage fails. */
  flush(): Promise<void> {
    this.#running ??= this.#attempt().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * Holds the log against what Postgres says of it, and tells the operator what came of it, of a fork once per cause.
   * Whoever asks Postgres compares by this alone: the machine follows what it is shown, so that a second comparison
   * finds nothing left to tell.
   */
  compare(state: SinkState): Comparison {
    const { machine, log, now } = this.#options;
    const before = machine.state.fork;
    const comparison = machine.compare(state, now());
    const { size } = machine.state;
    if (comparison.kind === 'forked') {
      const { cause } = comparison;
      this.#compared = false;
      if (this.#fork?.cause !== cause) {
        this.#fork = { cause, since: now() };
        log('audit_fork', { log: machine.log, size, head: state.head, cause });
      }
      return comparison;
    }
    this.#fork = undefined;
    if (comparison.kind === 'database_back') {
      log('audit_database_back', { log: machine.log, head: state.head, flushed: comparison.from });
    } else if (before !== null) {
      log('audit_recovered', { log: machine.log, size });
    }
    return comparison;
  }

  async #attempt(): Promise<void> {
    this.#madePartitions = false;
    try {
      await this.#flush();
      this.#failures = 0;
      this.#lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof SinkFailure)) throw error;
      this.#compared = false;
      this.#failures++;
      this.#lastFailure = error.label;
      const { log, machine } = this.#options;
      log('audit_flush_failed', { log: machine.log, failure: error.label, failures: this.#failures });
    }
  }

  async #flush(): Promise<void> {
    const { machine, sink, now } = this.#options;
    if (!this.#compared || machine.state.fork !== null || machine.pruneDue(now())) {
      if (!(await this.#leaveFork())) return;
      this.#follow(await sink.state(machine.log));
    }
    const sending: Sending[] = [];
    try {
      await this.#send(sending);
    } finally {
      // What was sent ahead ends before the flush does: the next one asks what came of it.
      await Promise.all(sending.map(({ answer }) => answer));
    }
  }

  /** Sends what waits and confirms it in order. `sending` is what is on its way when this ends. @throws SinkFailure */
  async #send(sending: Sending[]): Promise<void> {
    const { machine, now } = this.#options;
    const until = machine.state.size;
    let calls = 0;
    let atOnce = 1;
    let most = CALLS_AT_ONCE;
    for (;;) {
      for (; sending.length < atOnce && calls < MAX_CALLS; calls++) {
        const next = this.#next(sending, until);
        if (!next) break;
        sending.push(next);
      }
      const sent = sending.shift();
      if (!sent) return;
      const { batch, end } = sent;
      const answer = await sent.answer;
      if ('state' in answer) {
        if (answer.state.head < end) throw new SinkFailure('transient', 'head_short');
        machine.confirm(end, now());
        this.#rows = Math.min(this.#options.batchRows, this.#rows * 2);
        this.#follow(answer.state, batch.texts.length);
        atOnce = this.#rows === this.#options.batchRows ? most : 1;
      } else {
        if (!(answer.error instanceof SinkFailure)) throw answer.error;
        // Those behind it met a gap, or will be sent again, which is no harm. From here on they go one after the other,
        // until the next flush: this one may have met a slow database, or looks for a record that is not taken.
        for (const { answer } of sending.splice(0)) await answer;
        atOnce = most = 1;
        await this.#recover(answer.error, batch);
      }
    }
  }

  /**
   * Sends the next batch. One that is not full goes behind no other, because it would overtake it, and only while there are
   * records from before `until`: a call costs as much for one record as for hundreds, so what comes while this flush goes
   * on waits for the next.
   */
  #next(sending: readonly Sending[], until: number): Sending | undefined {
    const { machine, sink } = this.#options;
    const onTheirWay = sending.reduce((sum, { batch }) => sum + batch.bytes, 0);
    const batch = machine.batch(this.#rows, sending.at(-1)?.end, onTheirWay);
    if (!batch) return undefined;
    const end = batch.first + batch.texts.length;
    if (end === machine.state.size && (sending.length > 0 || batch.first >= until)) return undefined;
    const answer = sink.append(batch.log, batch.first, batch.texts, batch.before).then(
      (state) => ({ state }),
      (error: unknown) => ({ error }),
    );
    return { batch, end, answer };
  }

  /** Goes on into the next epoch once a fork has lasted. False: some of that is left for the next flush. */
  async #leaveFork(): Promise<boolean> {
    const { machine, sink, log, now } = this.#options;
    if (!machine.nextStep()) {
      const { since, cause } = this.#fork ?? {};
      if (since === undefined || now() - since < PATIENCE_MS[cause!]) return true;
      const state = await sink.state(machine.log);
      const found = this.compare(state);
      if (found.kind !== 'forked' || found.cause !== cause) return true;
      log('audit_recovery', { log: machine.log, cause, head: state.head });
      machine.beginRecovery(state, now());
    }
    for (let calls = 0; calls < MAX_CALLS; calls++) {
      const step = machine.nextStep();
      if (!step) return true;
      if (step.kind === 'append_again') {
        machine.appendAgain(now());
        continue;
      }
      const { log: taken, first, last } = step;
      const records = await sink.records(taken, first);
      // What comes in between the two is read with the next step.
      if (records.length === 0 && last && !(await sink.close(taken, first))) continue;
      machine.takeIn(first, records, now());
    }
    return machine.nextStep() === undefined;
  }

  /** What to do about a refusal that waiting alone would not mend. @throws SinkFailure when it would. */
  async #recover(failure: SinkFailure, { log: name, first, texts }: Batch): Promise<void> {
    const { machine, sink, log, now } = this.#options;
    switch (failure.kind) {
      case 'transient':
        throw failure;
      case 'no_partition':
        // Once a flush: a record whose month cannot be had must not keep the alarm busy.
        if (this.#madePartitions) throw failure;
        this.#madePartitions = true;
        return sink.ensurePartitions();
      case 'gap':
        return this.#follow(await sink.state(name));
      case 'mismatch':
        machine.fork('record_differs', now());
        return this.#follow(await sink.state(name));
      case 'too_large':
      case 'poison':
        if (texts.length > 1) {
          this.#rows = Math.floor(texts.length / 2);
          return;
        }
    }
    if (failure.kind === 'too_large') throw failure;
    const sqlstate = failure.label.replace('sql_', '');
    const state = await sink.quarantine(name, first, texts[0]!, sqlstate);
    log('audit_quarantined', { log: name, index: first, sqlstate });
    machine.confirm(first + 1, now());
    this.#follow(state);
  }

  /** @throws SinkFailure when nothing can be sent. */
  #follow(state: SinkState, confirmed = 0): void {
    const { machine, now } = this.#options;
    const comparison = this.compare(state);
    // Looked at again with growing pauses: a database restored by mistake may come back.
    if (comparison.kind === 'forked') throw new SinkFailure('transient', `fork_${comparison.cause}`);
    this.#compared = true;
    if (machine.pruneDue(now())) machine.prune(now(), confirmed);
  }
}
