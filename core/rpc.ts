/**
 * What crosses between the Worker and its Durable Objects: plain data both ways, results and never custom
 * errors (an error's class does not survive RPC). An exception means that the object could not answer.
 */
import type { SealedValue } from './personal.ts';
import type { Place, RecordMembers } from './record.ts';

// ---- ActorGate -------------------------------------------------------------------------------------------

export interface GateRequest {
  /** The request's id; the same id gets the same answer while its stamp is in the window. */
  readonly id: string;
  /** `invalid` counts in the second window: refusals of an authenticated actor before `admit`. */
  readonly kind: 'request' | 'invalid';
  /** Most weight admitted in any window. */
  readonly limit: number;
  readonly windowMs: number;
  /** 1, or ⌈n/100⌉ for a batch of n ids; all or nothing. */
  readonly weight: number;
}

export interface GateAnswer {
  readonly admitted: boolean;
  readonly limit: number;
  /** Weight still to be had now. */
  readonly remaining: number;
  /** Milliseconds until the oldest stamp leaves and more can be had; 0 when the window is empty. */
  readonly resetMs: number;
  /** Milliseconds until a request of this weight fits; 0 when admitted. */
  readonly retryAfterMs: number;
}

export interface ActorGateRpc {
  admit(request: GateRequest): Promise<GateAnswer>;
}

// ---- AuditLog --------------------------------------------------------------------------------------------

export interface AppendEntry {
  /** `<request id>:<phase>`, for events `<request id>:event:<reason>:<n>`. */
  readonly key: string;
  readonly members: RecordMembers;
  /** Later entries with the same coalescing key and window raise a counter instead of making a record. */
  readonly coalesce?: { readonly key: string; readonly windowMs: number };
}

export type AppendRefusal =
  /** The key was used with other members. */
  | 'key_conflict'
  /** The object holds as much as it may until Postgres takes it. */
  | 'full'
  /** The object is behind what Postgres holds, and acknowledges nothing. */
  | 'forked'
  /** The members have no canonical form. */
  | 'invalid_record';

export type AppendAnswer =
  | ({ readonly ok: true; readonly leaf: string } & Place)
  | { readonly ok: false; readonly code: AppendRefusal };

export interface LogStatus {
  readonly log: string;
  /** Records appended to the current epoch. */
  readonly size: number;
  /** Records that Postgres has confirmed. */
  readonly flushed: number;
  readonly unflushedBytes: number;
  readonly openIntents: number;
  readonly forked: boolean;
  /** Consecutive flushes that failed, and the class of the last failure. */
  readonly failures: number;
  readonly lastFailure?: string;
}

export interface HeldRecord {
  /** The canonical text. */
  readonly text: string;
  /** Its leaf hash, hex. */
  readonly leaf: string;
}

/** A checkpoint that Postgres has stored. */
export interface SignedCheckpoint {
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** The signed note (C2SP tlog-checkpoint). */
  readonly note: string;
  /** When Postgres stored it, in milliseconds since the epoch. */
  readonly signedMs: number;
}

export type CheckpointAnswer =
  | ({ readonly ok: true; readonly log: string } & SignedCheckpoint)
  /** `empty`: the log has no record. `unavailable`: it cannot be signed at the moment. */
  | { readonly ok: false; readonly code: 'empty' | 'unavailable' };

/** That a record is in the tree of the first `size` records of its log; hashes are hex. */
export interface InclusionProof {
  readonly leaf: string;
  readonly proof: readonly string[];
}

export interface AuditLogRpc {
  /** One answer per entry, in order; one refused entry never fails another. */
  append(entries: readonly AppendEntry[]): Promise<AppendAnswer[]>;
  status(): Promise<LogStatus>;
  /** A record that is still held here, whatever Postgres has; `null`: it left, or never was. */
  record(place: Place): Promise<HeldRecord | null>;
  /**
   * Sends what waits to Postgres and signs a checkpoint of it, unless the last one is of that size; or, for an epoch
   * that was closed, of what Postgres holds of it. If there is no such epoch, the answer is the current one's and names
   * it.
   */
  checkpoint(log: string): Promise<CheckpointAnswer>;
  /** `null`: the log has no such record, or no such size. */
  inclusion(place: Place, size: number): Promise<InclusionProof | null>;
  /** Hex hashes; `null`: the log has no such sizes. */
  consistency(log: string, from: number, to: number): Promise<readonly string[] | null>;
}

// ---- OwnerIndex ------------------------------------------------------------------------------------------

export type OwnedKind = 'memory' | 'event' | 'export';

/** Every call takes at most 1,000 ids, and throws RangeError for more and for what is none. */
export interface OwnerIndexRpc {
  /** Durable when it returns. Registering again renews the retention. */
  register(kind: OwnedKind, ids: readonly string[], detail?: string): Promise<void>;
  /** Which of the ids this tenant is known to have owned, in order. */
  owned(kind: OwnedKind, ids: readonly string[]): Promise<boolean[]>;
  /** What was registered with an id; empty when that was nothing, `null` when the id is not owned. */
  detail(kind: OwnedKind, id: string): Promise<string | null>;
}

// ---- PersonalVault ---------------------------------------------------------------------------------------

/** A value by its lookups, one for each key of the vault, the current one first. */
export type Lookups = readonly string[];

/** Every call takes at most 1,000 values or tokens, and throws RangeError for more and for what is none. */
export interface PersonalVaultRpc {
  /** The tokens of values, in order; `null`: there is none yet. */
  find(values: readonly Lookups[]): Promise<(string | null)[]>;
  /** Every token of each value, in order: a change of keys can leave it several, the one that `find` gives first. */
  findAll(values: readonly Lookups[]): Promise<string[][]>;
  /** Durable when it returns. The tokens that the values have, in order: one that was known keeps its own. */
  keep(
    tenant: string,
    values: readonly { readonly sealed: SealedValue; readonly lookups: Lookups }[],
  ): Promise<string[]>;
  /** The encrypted values of tokens, in order; `null`: it has been erased, or never was. */
  read(tokens: readonly string[]): Promise<(string | null)[]>;
  /** Forgets values. `copies`: whether the database has forgotten them, too, or will as soon as it can be reached. */
  erase(values: readonly Lookups[]): Promise<Erased>;
  /** Goes on with what its alarm does: copies, and values that an old key encrypts. */
  wake(): Promise<void>;
}

export interface Erased {
  readonly tokens: readonly string[];
  readonly copies: 'removed' | 'pending';
}
