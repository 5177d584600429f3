import type { SignerKey } from '../../../core/note.ts';
import type { Place } from '../../../core/record.ts';
import type { AppendAnswer, AppendEntry, CheckpointAnswer, SignedCheckpoint } from '../../../core/rpc.ts';
import { MemoryStore, StorageFailure } from '../../storage/testing/store.ts';
import { Checkpointer } from '../checkpoints.ts';
import { Flusher } from '../flush.ts';
import { AuditMachine } from '../machine.ts';
import type { AuditLogSettings } from '../settings.ts';
import { checkLog } from './check-log.ts';
import { SETTINGS, START, TENANT } from './entries.ts';
import { ModelSink } from './model-sink.ts';

/** What was sent, and what the caller was told of it. */
export interface Sent {
  readonly entry: AppendEntry;
  /** Absent: no answer arrived, so it may have been stored or not. */
  told?: AppendAnswer & { readonly ok: true };
}

/** A log's object, its callers, its database and its clock. A restart keeps what is stored and nothing else. */
export class World {
  readonly store = new MemoryStore();
  readonly sink = new ModelSink();
  readonly sent = new Map<string, Sent>();
  readonly events: [string, { readonly [name: string]: string | number | boolean }][] = [];
  readonly settings: AuditLogSettings;
  /** Every checkpoint that was handed out. */
  readonly signed: SignedCheckpoint[] = [];
  clock = START;
  /** What the next start signs with. */
  signer: SignerKey;
  #ids = 0;
  machine!: AuditMachine;
  flusher!: Flusher;
  checkpointer!: Checkpointer;

  constructor(settings: Partial<AuditLogSettings> = {}) {
    this.settings = { ...SETTINGS, ...settings };
    this.signer = this.settings.signer;
    this.restart();
  }

  restart(): void {
    this.machine = new AuditMachine(this.store, this.settings, { tenant: TENANT, shard: 0 });
    this.flusher = new Flusher({
      machine: this.machine,
      sink: this.sink,
      log: (event, fields) => this.events.push([event, fields]),
      now: () => this.clock,
      batchRows: this.settings.batchRows,
      intervalMs: this.settings.flushIntervalMs,
      random: () => 0.5,
    });
    this.checkpointer = new Checkpointer({
      machine: this.machine,
      sink: this.sink,
      log: (event, fields) => this.events.push([event, fields]),
      now: () => this.clock,
      flush: () => this.flusher.flush(),
      compare: (state) => this.flusher.compare(state),
      origin: this.settings.origin,
      signer: this.signer,
      intervalMs: this.settings.checkpointIntervalMs,
      newId: () => `id-${++this.#ids}`,
    });
  }

  /** Answers in order; `undefined`: none came, because storage failed. */
  append(...entries: AppendEntry[]): AppendAnswer[] | undefined {
    for (const entry of entries) if (!this.sent.has(entry.key)) this.sent.set(entry.key, { entry });
    const answers = this.#storage(() => this.machine.append(entries, this.clock));
    answers?.forEach((answer, i) => {
      const sent = this.sent.get(entries[i]!.key)!;
      if (!answer.ok) return;
      if (sent.told && JSON.stringify(sent.told) !== JSON.stringify(answer)) {
        throw new Error(`two answers for ${entries[i]!.key}`);
      }
      sent.told = answer;
    });
    return answers;
  }

  /** Appends records that must be taken, and returns where they are. */
  appended(...entries: AppendEntry[]): (Place & { readonly leaf: string })[] {
    return this.append(...entries)!.map((answer) => {
      if (!answer.ok) throw new Error(`refused: ${answer.code}`);
      return answer;
    });
  }

  /** Whether storage kept working; `more` of the duties is due at once. */
  duties(): { readonly more: boolean } | undefined {
    return this.#storage(() => ({ more: this.machine.runDuties(this.clock) }));
  }

  /** Whether storage kept working; what the database did is in `flusher`. */
  async flush(): Promise<boolean> {
    try {
      await this.flusher.flush();
      return true;
    } catch (error) {
      if (error instanceof StorageFailure) return false;
      throw error;
    }
  }

  /** Whether storage kept working; what the database did is in the answer. */
  async sign(): Promise<CheckpointAnswer | undefined> {
    try {
      const answer = await this.checkpointer.sign();
      if (answer.ok) this.signed.push(answer);
      return answer;
    } catch (error) {
      if (error instanceof StorageFailure) return undefined;
      throw error;
    }
  }

  /** Flushes until the database has everything. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 100; turn++) {
      await this.flush();
      const { flushed, size } = this.machine.state;
      if (flushed === size && this.flusher.failures === 0 && !this.flusher.unsettled) return;
    }
    throw new Error(`not settled: ${this.flusher.lastFailure}`);
  }

  check(): void {
    this.store.undisturbed(() => checkLog(this));
  }

  eventsNamed(name: string): { readonly [name: string]: string | number | boolean }[] {
    return this.events.filter(([event]) => event === name).map(([, fields]) => fields);
  }

  #storage<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      if (error instanceof StorageFailure) return undefined;
      throw error;
    }
  }
}
