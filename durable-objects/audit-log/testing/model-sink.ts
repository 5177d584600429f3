import { logName, parseLogName } from '../../../core/names.ts';
import { leafHash } from '../../../core/record.ts';
import type { SignedCheckpoint } from '../../../core/rpc.ts';
import {
  type AuditSink,
  type SinkCheckpoint,
  SinkFailure,
  type SinkState,
  type StoredRecord,
} from '../sink.ts';

export type SinkCall =
  | 'append'
  | 'quarantine'
  | 'state'
  | 'records'
  | 'close'
  | 'lastCheckpoint'
  | 'storeCheckpoint'
  | 'ensurePartitions';

/** `before`: nothing was stored; `after`: everything was, and the answer was lost. */
export interface SinkFault {
  readonly call: SinkCall;
  readonly when: 'before' | 'after';
}

export interface StoredRow {
  readonly text: string;
  readonly leaf: string;
  /** The SQLSTATE of a record that is kept as bytes. */
  readonly quarantined?: string;
}

/** Records of the tests whose text has this in it are refused as Postgres refuses bad data. */
export const POISON = 'poison';

/** The contract of sql/README.md, in memory: what is tested here is the object and not Postgres. */
export class ModelSink implements AuditSink {
  logs = new Map<string, readonly StoredRow[]>();
  checkpoints = new Map<string, readonly SignedCheckpoint[]>();
  readonly calls: { readonly call: SinkCall; readonly first?: number; readonly count?: number }[] = [];
  /** Taken from the front, each by the first call of its kind. */
  faults: SinkFault[] = [];
  /** Bytes of a call past which it is too large. */
  maxBytes = Number.POSITIVE_INFINITY;
  /** Records of this time or later have no partition. */
  partitionsEnd = Number.POSITIVE_INFINITY;
  /** What `ensurePartitions` moves that end to. */
  partitionsTo = Number.POSITIVE_INFINITY;
  /** Records in one page. */
  pageRows = 500;
  /** Turns of the event loop that appends are late, one number for each: a later one may arrive first. */
  late: number[] = [];
  /** The most appends that were under way at once. */
  most = 0;
  /** Awaited by each call before it does anything. */
  gate: Promise<void> = Promise.resolve();

  async append(log: string, first: number, texts: readonly string[], before?: string): Promise<SinkState> {
    this.calls.push({ call: 'append', first, count: texts.length });
    this.most = Math.max(this.most, ++this.#under);
    try {
      for (let turns = this.late.shift() ?? 0; turns > 0; turns--) await new Promise(setImmediate);
      return await this.#append(log, first, texts, before);
    } finally {
      this.#under--;
    }
  }
  #under = 0;

  #append(log: string, first: number, texts: readonly string[], before?: string): Promise<SinkState> {
    return this.#call('append', () => {
      if (texts.reduce((sum, text) => sum + text.length, 0) > this.maxBytes) {
        throw new SinkFailure('too_large', 'http_413');
      }
      const stored = this.rows(log);
      if (first > stored.length) throw new SinkFailure('gap', 'sql_AL001');
      if (before !== undefined && stored[first - 1]!.leaf !== before) {
        throw new SinkFailure('mismatch', 'sql_AL002');
      }
      const rows = texts.map((text) => ({ text, leaf: leafOf(text) }));
      const there = rows.slice(0, stored.length - first);
      if (there.some(({ leaf }, i) => stored[first + i]!.leaf !== leaf)) {
        throw new SinkFailure('mismatch', 'sql_AL002');
      }
      const added = rows.slice(there.length);
      if (added.some(({ text }) => text.includes(POISON))) throw new SinkFailure('poison', 'sql_22P05');
      if (added.some(({ text }) => JSON.parse(text).time >= this.partitionsEnd)) {
        throw new SinkFailure('no_partition', 'sql_23514');
      }
      if (added.length > 0) this.#refuseClosed(log);
      this.logs.set(log, [...stored, ...added]);
      return this.#state(log);
    });
  }

  async quarantine(log: string, index: number, text: string, sqlstate: string): Promise<SinkState> {
    this.calls.push({ call: 'quarantine', first: index, count: 1 });
    return this.#call('quarantine', () => {
      const stored = this.rows(log);
      if (index > stored.length) throw new SinkFailure('gap', 'sql_AL001');
      const there = stored[index];
      if (there && (there.text !== text || there.quarantined === undefined)) {
        throw new SinkFailure('mismatch', 'sql_AL002');
      }
      if (!there) {
        this.#refuseClosed(log);
        this.logs.set(log, [...stored, { text, leaf: leafOf(text), quarantined: sqlstate }]);
      }
      return this.#state(log);
    });
  }

  #refuseClosed(log: string): void {
    if (this.#state(log).highestEpoch > parseLogName(log)!.epoch) {
      throw new SinkFailure('transient', 'sql_AL004');
    }
  }

  async state(log: string): Promise<SinkState> {
    this.calls.push({ call: 'state' });
    return this.#call('state', () => this.#state(log));
  }

  /** Of records below an index only the hashes are left. */
  archive(log: string, past: number): void {
    this.#archived.set(log, past);
  }
  readonly #archived = new Map<string, number>();

  async records(log: string, first: number): Promise<readonly StoredRecord[]> {
    this.calls.push({ call: 'records', first });
    return this.#call('records', () =>
      this.rows(log)
        .slice(first, first + this.pageRows)
        .map(({ text, leaf }, at) => (first + at < (this.#archived.get(log) ?? 0) ? { leaf } : { text })),
    );
  }

  async close(log: string, end: number): Promise<boolean> {
    this.calls.push({ call: 'close', first: end });
    return this.#call('close', () => {
      if (this.rows(log).length > end) return false;
      const name = parseLogName(log)!;
      const next = logName({ ...name, epoch: name.epoch + 1 });
      if (!this.logs.has(next)) this.logs.set(next, []);
      return true;
    });
  }

  async lastCheckpoint(log: string): Promise<SinkCheckpoint> {
    this.calls.push({ call: 'lastCheckpoint' });
    return this.#call('lastCheckpoint', () => ({
      state: this.#state(log),
      checkpoint: this.signed(log).at(-1) ?? null,
    }));
  }

  async storeCheckpoint(log: string, size: number, root: string, note: string): Promise<SignedCheckpoint> {
    this.calls.push({ call: 'storeCheckpoint', first: size });
    return this.#call('storeCheckpoint', () => {
      if (size > this.rows(log).length) throw new SinkFailure('gap', 'sql_AL001');
      const last = this.signed(log).at(-1);
      if (last && last.size >= size) {
        const same = last.size === size && last.root === root && last.note === note;
        if (!same) throw new SinkFailure('mismatch', 'sql_AL003');
        return last;
      }
      const checkpoint = { size, root, note, signedMs: 1 };
      this.checkpoints.set(log, [...this.signed(log), checkpoint]);
      return checkpoint;
    });
  }

  async ensurePartitions(): Promise<void> {
    this.calls.push({ call: 'ensurePartitions' });
    await this.#call('ensurePartitions', () => {
      this.partitionsEnd = Math.max(this.partitionsEnd, this.partitionsTo);
    });
  }

  rows(log: string): readonly StoredRow[] {
    return this.logs.get(log) ?? [];
  }

  signed(log: string): readonly SignedCheckpoint[] {
    return this.checkpoints.get(log) ?? [];
  }

  count(call: SinkCall): number {
    return this.calls.filter((made) => made.call === call).length;
  }

  snapshot(): ReadonlyMap<string, readonly StoredRow[]> {
    return new Map(this.logs);
  }

  restore(logs: ReadonlyMap<string, readonly StoredRow[]>): void {
    this.logs = new Map(logs);
  }

  async #call<T>(call: SinkCall, run: () => T): Promise<T> {
    const at = this.faults.findIndex((fault) => fault.call === call);
    const [fault] = at < 0 ? [] : this.faults.splice(at, 1);
    await this.gate;
    if (fault?.when === 'before') throw new SinkFailure('transient', 'unreachable');
    const result = run();
    if (fault) throw new SinkFailure('transient', 'timeout');
    return result;
  }

  #state(log: string): SinkState {
    const rows = this.rows(log);
    const own = parseLogName(log)!;
    const epochs = [...this.logs.keys()]
      .map((name) => parseLogName(name)!)
      .filter(({ tenant, shard }) => tenant === own.tenant && shard === own.shard)
      .map(({ epoch }) => epoch);
    return { head: rows.length, lastLeaf: rows.at(-1)?.leaf ?? null, highestEpoch: Math.max(0, ...epochs) };
  }
}

function leafOf(text: string): string {
  return leafHash(Buffer.from(text, 'utf8'));
}
