import { consistencyProof, type HashSource, inclusionProof, rootOf } from '../../core/merkle.ts';
import { logName, parseLogName } from '../../core/names.ts';
import type { Place } from '../../core/record.ts';
import type {
  AppendAnswer,
  AppendEntry,
  HeldRecord,
  InclusionProof,
  SignedCheckpoint,
} from '../../core/rpc.ts';
import { TILE_WIDTH } from '../../core/tiles.ts';
import type { Sql } from '../storage/sql.ts';
import { appendEntries } from './append.ts';
import { type Batch, readBatch } from './batch.ts';
import {
  checkpointDue,
  keepCheckpoint,
  lastCheckpoint,
  recordKeyChange,
  signingKey,
} from './checkpoint-state.ts';
import { nextDuty, nextPrune, prune, runDuties } from './duties.ts';
import { type Change, change } from './ledger.ts';
import { appendAgain, beginRecovery, nextStep, type RecoveryStep, takeIn } from './recovery.ts';
import { loadState, type State } from './schema.ts';
import type { AuditLogSettings } from './settings.ts';
import type { SinkState, StoredRecord } from './sink.ts';
import { leafAt, packedLeaves, treeSize, treeSource } from './tree.ts';

/** How the object and Postgres stand to each other; see `AuditMachine.compare`. */
export type Comparison =
  | { readonly kind: 'agrees' }
  /** The database went back, and the records that it lost are still here. */
  | { readonly kind: 'database_back'; readonly from: number }
  /** The object went back, or the database beyond what is held here: nothing may be acknowledged. */
  | { readonly kind: 'forked'; readonly cause: ForkCause };

export type ForkCause =
  /** Postgres holds more records than were ever appended here. */
  | 'head_ahead'
  /** The record at Postgres's head is another than this log's. */
  | 'leaf_differs'
  /** Postgres holds another record where this log was about to send one. */
  | 'record_differs'
  /** Postgres knows a later epoch. */
  | 'later_epoch'
  /** Postgres lost records that have left this object. */
  | 'records_gone';

/**
 * A log: a synchronous state machine over the object's SQLite. Every method is one transaction; when storage
 * throws, the cached state is dropped, so that nothing is ever answered from a state that was not persisted.
 */
export class AuditMachine {
  readonly #sql: Sql;
  readonly #settings: AuditLogSettings;
  readonly #name: { readonly tenant: string; readonly shard: number };
  /** What is durable. Owned by `#change`; `undefined`: to be read again. */
  #state: State | undefined;

  constructor(sql: Sql, settings: AuditLogSettings, name: { tenant: string; shard: number }) {
    this.#sql = sql;
    this.#settings = settings;
    this.#name = name;
  }

  get state(): Readonly<State> {
    this.#state ??= this.#sql.transaction(() => loadState(this.#sql, this.#name));
    return this.#state;
  }

  get log(): string {
    return logName(this.state);
  }

  /** One answer per entry, in order; all that they write is one transaction. */
  append(entries: readonly AppendEntry[], wall: number): AppendAnswer[] {
    return this.#change(wall, (current) => appendEntries(current, entries, this.#settings));
  }

  /** A record of any epoch, while it is held here. */
  record({ log, index }: Place): HeldRecord | null {
    const name = parseLogName(log);
    const { tenant, shard } = this.#name;
    if (name?.tenant !== tenant || name.shard !== shard) return null;
    const [row] = this.#sql.exec<{ text: string }>(
      'SELECT text FROM record WHERE epoch = ? AND idx = ?',
      ...[name.epoch, index],
    );
    const leaf = leafAt(this.#sql, name.epoch, index);
    return row && leaf !== undefined ? { text: row.text, leaf } : null;
  }

  /** Does what has fallen due; says whether more is due at once. */
  runDuties(wall: number): boolean {
    return this.#change(wall, (current) => runDuties(current));
  }

  /** When the next duty falls due, in milliseconds of the log's time. */
  nextDuty(): number | undefined {
    return nextDuty(this.#sql, this.state);
  }

  /** When records may be let go, in milliseconds of the log's time; `undefined` when there are none to. */
  nextPrune(): number | undefined {
    return nextPrune(this.#sql, this.state, this.#settings);
  }

  /** Whether records may be let go now, if Postgres still has them. */
  pruneDue(wall: number): boolean {
    const due = this.nextPrune();
    return due !== undefined && due <= Math.max(wall, this.state.lastTime);
  }

  /** Lets go of records when so many have just come. Only directly behind `compare`, without an await between. */
  prune(wall: number, came: number): void {
    this.#change(wall, (current) => prune(current, this.#settings, came));
  }

  /** The records from `first` on, which Postgres has not confirmed; see `readBatch`. */
  batch(maxRows: number, first = this.state.flushed, onTheirWay = 0): Batch | undefined {
    const most = { rows: Math.min(maxRows, this.#settings.batchRows), bytes: this.#settings.batchBytes };
    return readBatch(this.#sql, this.state, first, most, onTheirWay);
  }

  /**
   * Holds the log against what Postgres says of it. When the database went back and the records are still here,
   * the watermark follows it. It never follows it forward: records that Postgres holds beyond the watermark are
   * sent again, because only that compares every leaf hash.
   */
  compare(sink: SinkState, wall: number): Comparison {
    const { fork: under } = this.state;
    // What is half taken in says nothing about how the two stand to each other.
    if (under !== null && this.nextStep()) return { kind: 'forked', cause: under as ForkCause };
    const cause = this.#forkCause(sink);
    if (cause) {
      this.fork(cause, wall);
      return { kind: 'forked', cause };
    }
    const { flushed, fork } = this.state;
    if (fork !== null || sink.head < flushed) {
      this.#change(wall, ({ state }) => {
        this.#moveWatermark(state, Math.min(flushed, sink.head));
        state.fork = null;
      });
    }
    return sink.head < flushed ? { kind: 'database_back', from: flushed } : { kind: 'agrees' };
  }

  /** Postgres has compared or stored every record up to and without `end`. */
  confirm(end: number, wall: number): void {
    this.#change(wall, ({ state }) => this.#moveWatermark(state, end));
  }

  /** The log stops acknowledging. Durable, so that a restart does not forget it. */
  fork(cause: ForkCause, wall: number): void {
    if (this.state.fork === cause) return;
    this.#change(wall, ({ state }) => {
      state.fork = cause;
    });
  }

  /** The next step out of a fork; `undefined` when no recovery is under way. */
  nextStep(): RecoveryStep | undefined {
    return nextStep(this.#sql, this.state);
  }

  /** Begins the recovery of a log that is forked. Directly behind `compare`, with the same state of Postgres. */
  beginRecovery(sink: SinkState, wall: number): void {
    this.#change(wall, (current) => beginRecovery(current, sink));
  }

  /** Takes in what Postgres holds of the log that the step names, from its index on. */
  takeIn(first: number, records: readonly StoredRecord[], wall: number): void {
    this.#change(wall, (current) => takeIn(current, first, records, this.#settings.orphanAfterMs));
  }

  appendAgain(wall: number): void {
    this.#change(wall, appendAgain);
  }

  /** The last checkpoint of this epoch that Postgres stored, as far as this object knows. */
  get checkpoint(): SignedCheckpoint | undefined {
    return lastCheckpoint(this.#sql, this.state.epoch);
  }

  /** When the schedule wants a checkpoint, in wall time; `undefined`: nothing has come since the last. */
  checkpointDue(intervalMs: number): number | undefined {
    return checkpointDue(this.#sql, this.state, intervalMs);
  }

  keepCheckpoint(checkpoint: SignedCheckpoint, key: string, wall: number): void {
    this.#change(wall, (current) => keepCheckpoint(current, checkpoint, key, wall));
  }

  /** Records, once, that checkpoints are signed with another key from here on; says whether it was so. */
  changeKey(key: string, requestId: string, wall: number): boolean {
    const before = signingKey(this.#sql, this.state.epoch)?.key;
    if (before === undefined || before === key || this.state.fork !== null) return false;
    this.#change(wall, (current) => recordKeyChange(current, before, key, requestId));
    return true;
  }

  /** The smallest size that the present key may sign: the record of its beginning is covered then. */
  get signsFrom(): number {
    return signingKey(this.#sql, this.state.epoch)?.since ?? 0;
  }

  /** The root of the first `size` records of an epoch; `undefined` when there are fewer, or not all are in the tree yet. */
  root(size: number, log = this.log): Uint8Array | undefined {
    return this.#tree(log, size, (source) => rootOf(size, source));
  }

  /** Whether the log begins with what a checkpoint says. */
  begins({ size, root }: Pick<SignedCheckpoint, 'size' | 'root'>, log = this.log): boolean {
    const own = this.root(size, log);
    return own !== undefined && Buffer.from(own).toString('hex') === root;
  }

  /** Of any epoch that is held here; `undefined` when it has no such record or size. */
  inclusion({ log, index }: Place, size: number): InclusionProof | undefined {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) return undefined;
    return this.#tree(log, size, (source) => ({
      leaf: hexOf(source(0, index)),
      proof: inclusionProof(index, size, source).map(hexOf),
    }));
  }

  /** Of any epoch that is held here; `undefined` when it has no such sizes. */
  consistency(log: string, from: number, to: number): readonly string[] | undefined {
    if (!Number.isSafeInteger(from) || from < 0 || from > to) return undefined;
    return this.#tree(log, to, (source) => consistencyProof(from, to, source).map(hexOf));
  }

  /** How many records an epoch has, as its own tree says; 0 for a log of another object. */
  sizeOf(log: string): number {
    return this.#tree(log, 0, () => this.#held(parseLogName(log)!.epoch)) ?? 0;
  }

  #held(epoch: number): number {
    return epoch === this.state.epoch ? this.state.size : treeSize(this.#sql, epoch);
  }

  #tree<T>(log: string, size: number, run: (source: HashSource) => T): T | undefined {
    const name = parseLogName(log);
    const { tenant, shard } = this.#name;
    if (name?.tenant !== tenant || name.shard !== shard || !Number.isSafeInteger(size)) return undefined;
    const held = this.#held(name.epoch);
    // Leaves that an older version left behind come into the tree in turns; until then nothing is proven.
    const packed = held - packedLeaves(this.#sql, name.epoch) < TILE_WIDTH;
    return size <= held && packed ? run(treeSource(this.#sql, name.epoch)) : undefined;
  }

  #forkCause({ head, lastLeaf, highestEpoch }: SinkState): ForkCause | undefined {
    const { epoch, size, flushed, fork } = this.state;
    if (highestEpoch > epoch) return 'later_epoch';
    if (head > size) return 'head_ahead';
    if (head > 0 && this.#leaf(head - 1) !== lastLeaf) return 'leaf_differs';
    // Equal heads say nothing about the records before them; only their leaving does.
    if (fork === 'record_differs' && head > flushed) return fork;
    const held = head >= flushed || this.#holds(head);
    return held ? undefined : 'records_gone';
  }

  #leaf(index: number): string | undefined {
    return leafAt(this.#sql, this.state.epoch, index);
  }

  /** Records are let go oldest first, so holding one means holding all behind it. */
  #holds(index: number): boolean {
    const where = [this.state.epoch, index];
    return this.#sql.exec('SELECT idx FROM record WHERE epoch = ? AND idx = ?', ...where).length > 0;
  }

  #moveWatermark(state: State, to: number): void {
    const [row] = this.#sql.exec<{ bytes: number | null }>(
      'SELECT sum(size) AS bytes FROM record WHERE epoch = ? AND idx >= ? AND idx < ?',
      ...[state.epoch, Math.min(state.flushed, to), Math.max(state.flushed, to)],
    );
    const moved = (row?.bytes ?? 0) * (to > state.flushed ? 1 : -1);
    state.flushed = to;
    state.unflushedBytes -= moved;
    state.heldBytes += moved;
  }

  #change<T>(wall: number, run: (change: Change) => T): T {
    const before = this.state;
    this.#state = undefined;
    const { result, state } = change(this.#sql, before, wall, run);
    this.#state = state;
    return result;
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
