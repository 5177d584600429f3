import { canonical, canonicalMembers, canonicalObject, type Json } from './canonical.ts';
import { hashLeaf, hashText } from './merkle.ts';
import { type LogName, logName } from './names.ts';
import { sha256 } from './sha256.ts';

/** What a governed operation does; from its catalogue row, never from its HTTP method. */
export type Action = 'read' | 'write' | 'delete' | 'audit_read' | 'admin' | 'self';

export type Role = 'admin' | 'agent-writer' | 'agent-reader' | 'auditor';
export const ROLES: readonly Role[] = ['admin', 'agent-writer', 'agent-reader', 'auditor'];

export type Phase = 'intent' | 'outcome' | 'correction' | 'event';
export type Decision = 'allow' | 'deny' | 'invalid_request' | 'rate_limited' | 'unauthenticated';

/** Where a record stands: the log's name and the index in it. */
export interface Place {
  readonly log: string;
  readonly index: number;
}

/** The ids that a request touched: at most 100 of them, else their number and the digest of the sorted list. */
export interface TouchedIds {
  readonly ids?: readonly string[];
  readonly count?: number;
  /** Hex SHA-256 of the canonical JSON of the sorted list. */
  readonly digest?: string;
  /** A delete by filter touched more ids than could be listed beforehand. */
  readonly cut?: true;
}

/** Where a record stood in an epoch that was closed by a fork; nested when there was more than one. */
export interface Was extends Place {
  readonly time: number;
  readonly was?: Was;
}

export interface Outcome {
  readonly result: 'success' | 'failure' | 'unknown';
  /** The status that the caller was given; absent when the gateway does not know. */
  readonly status?: number;
  /** The status that Mem0 answered with, when it was asked and answered. */
  readonly upstream_status?: number;
  /** Milliseconds that Mem0 took. */
  readonly latency_ms?: number;
}

/** A record as the Worker sends it. The log's object adds `log`, `index` and `time`. */
export interface RecordMembers {
  readonly v: 1;
  readonly phase: Phase;
  readonly request_id: string;
  /** The client's own X-Request-Id, when it was well-formed. */
  readonly correlation?: string;
  readonly tenant: string;
  readonly actor?: { readonly issuer: string; readonly sub: string };
  /** `act.sub` (RFC 8693 §4.1): who acts for the actor. */
  readonly acting_party?: string;
  readonly roles?: readonly Role[];
  readonly action?: Action;
  readonly operation?: string;
  readonly dialect?: string;
  readonly resource?: TouchedIds;
  readonly decision: Decision;
  readonly reasons: readonly string[];
  readonly outcome?: Outcome;
  /** On an outcome or correction: the intent that it closes. */
  readonly intent?: Place;
  readonly session?: string;
  /** Digest of the policy module and its data. */
  readonly policy?: string;
  /** Hex SHA-256 of the canonical policy input, personal values replaced by tokens. */
  readonly input?: string;
  /** The client's address as a token; a stranger's is cut to /24 or /48; `loopback` on the loopback transport. */
  readonly client?: string;
  /** The user agent as a token. Absent of strangers, and of requests that were refused before the gate or by it. */
  readonly agent?: string;
  /** How many requests a coalesced record stands for; absent means one. */
  readonly count?: number;
  /** Facts of an `event`, and of an `invalid_request` the place of the fault. */
  readonly detail?: { readonly [name: string]: Json };
  /** After a fork: where the record stood in the closed epoch. */
  readonly was?: Was;
}

/** A record as it is stored and hashed. */
export interface AuditRecord extends RecordMembers {
  readonly log: string;
  readonly index: number;
  /** Integer milliseconds since the epoch; never falls with the index. */
  readonly time: number;
}

export interface SealedRecord {
  readonly place: Place;
  readonly time: number;
  /** Canonical text; its UTF-8 bytes are the leaf's input. */
  readonly text: string;
  /** Length of `text` in UTF-8 bytes. */
  readonly size: number;
  /** RFC 6962 leaf hash, hex. */
  readonly leaf: string;
}

/** A record that has no place yet. */
export interface Draft {
  /** Its members, canonical and in order. */
  readonly members: readonly string[];
  /** How long their text is, in UTF-8 bytes. */
  readonly size: number;
  /** Digest of the members as the Worker sent them; what an idempotency key is bound to. Hex. */
  readonly digest: string;
}

/** The draft of a record; `undefined`: it has no canonical form, or a place already. */
export function draftOf(record: RecordMembers): Draft | undefined {
  const members = membersTexts(record);
  if (members === undefined) return undefined;
  const text = canonicalObject(members);
  return { members, size: Buffer.byteLength(text), digest: sha256(text) };
}

type JsonMembers = Parameters<typeof canonicalMembers>[0];

/** What a log gives a record itself. */
const PLACE = ['index', 'log', 'time'];

function membersTexts(record: RecordMembers): string[] | undefined {
  try {
    if (PLACE.some((name) => Object.hasOwn(record, name))) return undefined;
    return canonicalMembers(record as unknown as JsonMembers);
  } catch {
    return undefined;
  }
}

/** Puts a record in its place and hashes it. Synchronous, so that nothing can come between. */
export function seal(
  members: RecordMembers,
  name: LogName,
  index: number,
  time: number,
  draft: readonly string[] = canonicalMembers(members as unknown as JsonMembers),
): SealedRecord {
  const log = logName(name);
  const text = canonicalObject(draft, [`"index":${index}`, `"log":${canonical(log)}`, `"time":${time}`]);
  return { place: { log, index }, time, text, ...hashText(text) };
}

/** A record without its place: what the Worker sent, or the object made. After a fork, without where it was, too. */
export function membersOf({
  log: _,
  index: __,
  time: ___,
  was: ____,
  ...members
}: AuditRecord): RecordMembers {
  return members;
}

/** The record as it stood before a fork, byte for byte when it is made canonical; `undefined` when it was in none. */
export function beforeFork({ was, ...record }: AuditRecord): AuditRecord | undefined {
  if (!was) return undefined;
  const { was: earlier, ...place } = was;
  return { ...record, ...place, ...(earlier ? { was: earlier } : {}) };
}

/** RFC 6962 §2.1: SHA-256 over 0x00 and the leaf's bytes. Hex. */
export function leafHash(bytes: Uint8Array): string {
  return Buffer.from(hashLeaf(bytes)).toString('hex');
}

/** `Draft.digest` alone. @throws TypeError when the members have no canonical form. */
export function membersDigest(members: RecordMembers): string {
  return sha256(canonical(members as unknown as Json));
}

/** At most this many touched ids are named in a record. */
export const NAMED_IDS = 100;

/** The `resource` member for the ids that a request touched; `undefined` when it touched none. */
export function touchedIds(ids: readonly string[]): TouchedIds | undefined {
  if (ids.length === 0) return undefined;
  const sorted = [...new Set(ids)].sort();
  if (sorted.length <= NAMED_IDS) return { ids: sorted };
  return { count: sorted.length, digest: sha256(canonical(sorted)) };
}
