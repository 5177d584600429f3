import type { SignedCheckpoint } from '../../core/rpc.ts';

/** What Postgres holds of a log. */
export interface SinkState {
  /** The number of indexes that it holds. */
  readonly head: number;
  /** Hex leaf hash at head - 1; `null` when it holds none. */
  readonly lastLeaf: string | null;
  /** The highest epoch that it knows of this log's tenant and shard; 0 when none. */
  readonly highestEpoch: number;
}

/** What Postgres holds of a log, and the last checkpoint of it. */
export interface SinkCheckpoint {
  readonly state: SinkState;
  readonly checkpoint: SignedCheckpoint | null;
}

/** A record's canonical text or, where it has been archived, its hex leaf hash alone. */
export type StoredRecord = { readonly text: string } | { readonly leaf: string };

/** Where records go: Postgres, through the functions of the audit schema (sql/README.md). */
export interface AuditSink {
  /**
   * Stores records `first`, `first` + 1, … given as canonical text, behind the one whose hex leaf hash is `before`, for
   * which it waits for a moment if it is not there yet. Can be repeated. @throws SinkFailure
   */
  append(log: string, first: number, texts: readonly string[], before?: string): Promise<SinkState>;
  /** Stores one record that Postgres will not take, as bytes. Can be repeated. @throws SinkFailure */
  quarantine(log: string, index: number, text: string, sqlstate: string): Promise<SinkState>;
  /** @throws SinkFailure */
  state(log: string): Promise<SinkState>;
  /** The records from `first` on, in order; as many as fit into an answer. @throws SinkFailure */
  records(log: string, first: number): Promise<readonly StoredRecord[]>;
  /**
   * Ends a log before `end`, for good. False: it holds something from there on. Can be repeated. @throws SinkFailure
   */
  close(log: string, end: number): Promise<boolean>;
  /** @throws SinkFailure */
  lastCheckpoint(log: string): Promise<SinkCheckpoint>;
  /** Stores a checkpoint and gives back the last one. Can be repeated. `root` is hex. @throws SinkFailure */
  storeCheckpoint(log: string, size: number, root: string, note: string): Promise<SignedCheckpoint>;
  /** @throws SinkFailure */
  ensurePartitions(): Promise<void>;
}

export type SinkFailureKind =
  /** Nothing is known to be wrong with the records: try again later. */
  | 'transient'
  /** The call was too large. */
  | 'too_large'
  /** Some record of the call is one that Postgres will never take. */
  | 'poison'
  /** No partition holds the records' month. */
  | 'no_partition'
  /** The call would leave a gap: Postgres holds less than was confirmed. */
  | 'gap'
  /** Postgres holds another record at one of the indexes, or another checkpoint. */
  | 'mismatch';

/** `label` is safe to log: a SQLSTATE, an HTTP status or a word of ours. */
export class SinkFailure extends Error {
  readonly kind: SinkFailureKind;
  readonly label: string;
  constructor(kind: SinkFailureKind, label: string) {
    super(`audit database: ${kind} (${label})`);
    this.name = 'SinkFailure';
    this.kind = kind;
    this.label = label;
  }
}
