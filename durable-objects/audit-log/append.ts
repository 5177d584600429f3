import { membersDigest, type RecordMembers } from '../../core/record.ts';
import type { AppendAnswer, AppendEntry } from '../../core/rpc.ts';
import { coalesce, isOpen } from './coalesce.ts';
import { closesIntent, knowsIntent, openIntent } from './intents.ts';
import type { Change } from './ledger.ts';
import type { AuditLogSettings } from './settings.ts';

const KEY_MS = 24 * 3_600_000;
const REPEAT_KEY_MS = 10 * 60_000;

/** What is kept free per open intent, so that the outcome of an intent that was accepted always fits. */
const OUTCOME_RESERVE = 16_384;

/** What a record is longer than its members: log, index and time. */
const PLACE_BYTES = 160;

/** No honest record comes near; a larger one could never leave for Postgres and would hold up all behind it. */
const MAX_RECORD_BYTES = 262_144;

/** Characters of a key or a request's id; both are indexed. */
const MAX_KEY = 256;

type KeyRow = { digest: string; epoch: number; idx: number; leaf: string; conflicted: number };

/**
 * Appends one entry. A key that was answered before gets that answer again; a refusal writes nothing but, for a
 * key that is used with other members, one event.
 */
export function appendEntry(
  change: Change,
  entry: AppendEntry,
  settings: Pick<AuditLogSettings, 'maxUnflushedBytes' | 'orphanAfterMs'>,
): AppendAnswer {
  const { members } = entry;
  if (change.state.fork !== null) return refuse('forked');
  if (!isWellFormed(entry, change.state.tenant)) return refuse('invalid_record');
  let digest: string;
  let size: number;
  try {
    digest = membersDigest(members);
    size = Buffer.byteLength(JSON.stringify(members)) + PLACE_BYTES;
  } catch {
    return refuse('invalid_record');
  }
  if (size > MAX_RECORD_BYTES) return refuse('invalid_record');
  const [seen] = change.sql.exec<KeyRow>('SELECT * FROM key WHERE name = ?', entry.key);
  if (seen && seen.digest === digest) return answer(change, seen.epoch, seen.idx, seen.leaf);
  if (seen) return conflict(change, entry, seen);

  const intent = members.phase === 'outcome' ? closesIntent(change, members) : undefined;
  const counted = entry.coalesce !== undefined && isOpen(change, entry.coalesce.key);
  if (!intent && !counted && !fits(change, members, size, settings.maxUnflushedBytes)) return refuse('full');
  // Its outcome could not tell which of the two it closes.
  if (members.phase === 'intent' && knowsIntent(change, members)) return refuse('invalid_record');

  if (entry.coalesce && !intent) {
    const { place, first } = coalesce(change, entry.coalesce, members);
    remember(change, entry.key, digest, place, first ? KEY_MS : REPEAT_KEY_MS);
    return answer(change, place.epoch, place.idx, place.leaf);
  }
  const index = change.state.size;
  const { leaf } = change.add(intent ?? members);
  const place = { epoch: change.state.epoch, idx: index, leaf };
  if (members.phase === 'intent') openIntent(change, members, place, settings.orphanAfterMs);
  remember(change, entry.key, digest, place, KEY_MS);
  return answer(change, place.epoch, place.idx, place.leaf);
}

/** Whether an entry is one at all: what is not must be refused before it can fail those beside it. */
function isWellFormed({ key, members, coalesce: by }: AppendEntry, tenant: string): boolean {
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY) return false;
  if (typeof members !== 'object' || members === null || members.tenant !== tenant) return false;
  const { request_id: id, phase } = members;
  if (typeof id !== 'string' || id.length === 0 || id.length > MAX_KEY) return false;
  if (by === undefined) return true;
  // A counted intent would stand for several requests, and none of their outcomes could close it.
  return (
    phase !== 'intent' && typeof by.key === 'string' && Number.isSafeInteger(by.windowMs) && by.windowMs > 0
  );
}

interface KeptPlace {
  readonly epoch: number;
  readonly idx: number;
  readonly leaf: string;
}

/** Remembers an answer that was given before this object knew of it; not over one that it gave itself. */
export function rememberKey(
  change: Change,
  name: string,
  digest: string,
  place: KeptPlace,
  time: number,
): void {
  if (time + KEY_MS <= change.now) return;
  change.sql.exec(
    'INSERT INTO key (name, digest, epoch, idx, leaf, expires) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ...[name, digest, place.epoch, place.idx, place.leaf, time + KEY_MS],
  );
}

function remember(change: Change, name: string, digest: string, place: KeptPlace, forMs: number): void {
  change.sql.exec(
    'INSERT INTO key (name, digest, epoch, idx, leaf, expires) VALUES (?, ?, ?, ?, ?, ?)',
    ...[name, digest, place.epoch, place.idx, place.leaf, change.now + forMs],
  );
}

/** Whether Postgres may stay away for this record, too. An intent brings the reserve of its outcome along. */
function fits({ state }: Change, { phase }: RecordMembers, size: number, most: number): boolean {
  const intents = state.openIntents + (phase === 'intent' ? 1 : 0);
  return state.unflushedBytes + size + intents * OUTCOME_RESERVE <= most;
}

/** One event per key says that it was used for two things; which one is true nobody here can tell. */
function conflict(change: Change, { key, members }: AppendEntry, seen: KeyRow): AppendAnswer {
  if (seen.conflicted === 0) {
    const { request_id, tenant, actor, decision } = members;
    const first = change.place(seen.epoch, seen.idx);
    change.add({
      v: 1,
      phase: 'event',
      request_id,
      tenant,
      decision,
      reasons: ['key_conflict'],
      detail: { log: first.log, index: first.index },
      ...(actor ? { actor } : {}),
    });
    change.sql.exec('UPDATE key SET conflicted = 1 WHERE name = ?', key);
  }
  return refuse('key_conflict');
}

function answer(change: Change, epoch: number, idx: number, leaf: string): AppendAnswer {
  return { ok: true, leaf, ...change.place(epoch, idx) };
}

function refuse(code: Extract<AppendAnswer, { ok: false }>['code']): AppendAnswer {
  return { ok: false, code };
}
