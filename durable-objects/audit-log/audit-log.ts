import { DurableObject } from 'cloudflare:workers';
import { parseAuditLogObject } from '../../core/names.ts';
import type { Place } from '../../core/record.ts';
import type {
  AppendAnswer,
  AppendEntry,
  AuditLogRpc,
  CheckpointAnswer,
  HeldRecord,
  InclusionProof,
  LogStatus,
} from '../../core/rpc.ts';
import { sqlOf } from '../storage/durable.ts';
import { Checkpointer } from './checkpoints.ts';
import { Flusher, type Log } from './flush.ts';
import { AuditMachine } from './machine.ts';
import { neonSink } from './neon.ts';
import type { AuditLogSettings } from './settings.ts';
import type { AuditSink } from './sink.ts';

export interface AuditLogDeps {
  readonly log: Log;
  readonly sink?: AuditSink;
  readonly now?: () => number;
  readonly random?: () => number;
}

/**
 * The Durable Object of a tenant's shard of the audit log: a shell over `AuditMachine` and `Flusher`. It holds
 * nothing but the log.
 */
export class AuditLogObject<E> extends DurableObject<E> implements AuditLogRpc {
  readonly #machine: AuditMachine;
  readonly #flusher: Flusher;
  readonly #checkpointer: Checkpointer;
  readonly #settings: AuditLogSettings;
  readonly #now: () => number;
  readonly #log: Log;
  /** When the alarm will ring, as far as this instance has set it; owned by `#arm`. */
  #armed: number | undefined;
  /** When the next flush is due; `undefined`: nothing waits. */
  #flushAt: number | undefined;

  constructor(ctx: DurableObjectState, env: E, settings: AuditLogSettings, deps: AuditLogDeps) {
    super(ctx, env);
    const name = parseAuditLogObject(ctx.id.name ?? '');
    if (name === undefined) throw new Error('an audit log is reached by its name');
    this.#settings = settings;
    this.#now = deps.now ?? Date.now;
    this.#log = deps.log;
    this.#machine = new AuditMachine(sqlOf(ctx.storage), settings, name);
    const sink = deps.sink ?? neonSink(settings.writerUrl, settings.endpoint, settings.sqlTimeoutMs);
    this.#flusher = new Flusher({
      machine: this.#machine,
      sink,
      log: deps.log,
      now: this.#now,
      batchRows: settings.batchRows,
      intervalMs: settings.flushIntervalMs,
      random: deps.random ?? Math.random,
    });
    this.#checkpointer = new Checkpointer({
      machine: this.#machine,
      sink,
      log: deps.log,
      now: this.#now,
      flush: () => this.#flusher.flush(),
      compare: (state) => this.#flusher.compare(state),
      origin: settings.origin,
      signer: settings.signer,
      intervalMs: settings.checkpointIntervalMs,
      newId: () => crypto.randomUUID(),
    });
  }

  /**
   * Makes entries durable. Nothing awaits between reading the head and writing; the runtime's output gate holds
   * the answer until the write is on disk.
   * @throws when storage fails: then nothing was written, or nobody may rely on it.
   */
  async append(entries: readonly AppendEntry[]): Promise<AppendAnswer[]> {
    const answers = this.#machine.append(entries, this.#now());
    this.#wantFlush(this.#settings.flushIntervalMs);
    return answers;
  }

  async status(): Promise<LogStatus> {
    const { size, flushed, unflushedBytes, openIntents, fork } = this.#machine.state;
    if (this.#flusher.unsettled) this.#wantFlush(this.#settings.flushIntervalMs);
    const { failures, lastFailure } = this.#flusher;
    return {
      log: this.#machine.log,
      size,
      flushed,
      unflushedBytes,
      openIntents,
      forked: fork !== null,
      failures,
      ...(lastFailure === undefined ? {} : { lastFailure }),
    };
  }

  async record(place: Place): Promise<HeldRecord | null> {
    return this.#machine.record(place);
  }

  async checkpoint(log: string): Promise<CheckpointAnswer> {
    if (log !== this.#machine.log && this.#machine.root(1, log) !== undefined) {
      return this.#checkpointer.signClosed(log);
    }
    const { size } = this.#machine.state;
    // A flush that is on its way already may have begun before the records that are meant here.
    for (let turn = 0; turn < 2 && this.#machine.state.flushed < size; turn++) await this.#flusher.flush();
    const answer = await this.#checkpointer.sign();
    this.#wantMore();
    return answer;
  }

  async inclusion(place: Place, size: number): Promise<InclusionProof | null> {
    return this.#machine.inclusion(place, size) ?? null;
  }

  async consistency(log: string, from: number, to: number): Promise<readonly string[] | null> {
    return this.#machine.consistency(log, from, to) ?? null;
  }

  /**
   * Duties and flush. Never throws: after six failed alarms the platform would give up, and records would be
   * stranded. Whatever happens, the next alarm is set.
   */
  override async alarm(): Promise<void> {
    this.#armed = undefined;
    try {
      const again = this.#duties();
      if (this.#flushAt === undefined || this.#flushAt <= this.#now()) {
        await this.#flusher.flush();
        this.#flushAt = undefined;
      }
      if ((this.#checkpointer.next() ?? Number.POSITIVE_INFINITY) <= this.#now()) {
        await this.#checkpointer.sign();
      }
      this.#wantMore(again === undefined);
      if (again !== undefined) this.#arm(again ? this.#now() : this.#machine.nextDuty());
      // Records are let go only right after a comparison, which a flush makes.
      if (this.#flushAt === undefined) this.#arm(this.#machine.nextPrune());
    } catch (error) {
      this.#failed(error);
      this.#flushAt = undefined;
      this.#wantFlush(this.#settings.flushIntervalMs);
    }
  }

  /**
   * Says whether more is due at once; `undefined` when a duty failed, which must not keep records from leaving:
   * that may be what mends it.
   */
  #duties(): boolean | undefined {
    try {
      return this.#machine.runDuties(this.#now());
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.#log('object_failed', {
      object: 'AuditLog',
      error: error instanceof Error ? error.name : 'unknown',
    });
  }

  /** Has the alarm ring for what is left to send, and for the next checkpoint. */
  #wantMore(anyway = false): void {
    const { flushed, size, fork } = this.#machine.state;
    const wanted = flushed < size || fork !== null || this.#flusher.failures > 0;
    if (wanted || anyway) this.#wantFlush(this.#flusher.pauseMs);
    this.#arm(this.#checkpointer.next());
  }

  #wantFlush(inMs: number): void {
    this.#flushAt ??= this.#now() + inMs;
    this.#arm(this.#flushAt);
  }

  /** Sets the alarm if it would ring later than `due`. Not awaited: the output gate covers it. */
  #arm(due: number | undefined): void {
    const at = Math.min(due ?? Number.POSITIVE_INFINITY, this.#flushAt ?? Number.POSITIVE_INFINITY);
    if (at === Number.POSITIVE_INFINITY || (this.#armed !== undefined && this.#armed <= at)) return;
    this.#armed = at;
    void this.ctx.storage.setAlarm(at);
  }
}
