import { draftOf, type RecordMembers } from '../../core/record.ts';
import type { AppendAnswer, AppendEntry } from '../../core/rpc.ts';
import { coalesce, isOpen } from './coalesce.ts';
import { closesIntent, openIntent } from './intents.ts';
import type { Change } from './ledger.ts';
import { findIntents, findKeys, type IntentRow, type KeyRow } from './rows.ts';
import type { AuditLogSettings } from './settings.ts';

const KEY_MS = 24 * 3_600_000;
const REPEAT_KEY_MS = 10 * 60_000;

/** What is kept free per open intent, so that the outcome of an intent that was accepted always fits. */
const OUTCOME_RESERVE = 16_384;

/** What a record is longer than its members: log, index and time. */
const PLACE_BYTES = 160;

/** No honest record comes near; a larger one could never leave for Postgres and would hold up all behind it. */
const MAX_RECORD_BYTES = 262_144;

/** What was known before of the keys and requests of a batch, kept up while it is appended. */
interface Known {
  readonly keys: Map<string, KeyRow>;
  readonly intents: Map<string, IntentRow>;
}

/** One answer per entry, in order; a refusal touches none of the others. */
export function appendEntries(
  change: Change,
  entries: readonly AppendEntry[],
  settings: Pick<AuditLogSettings, 'maxUnflushedBytes' | 'orphanAfterMs'>,
): AppendAnswer[] {
  const sound = entries.filter((entry) => isWellFormed(entry, change.state.tenant));
  const known = {
    keys: findKeys(
      change.sql,
      sound.map(({ key }) => key),
    ),
    intents: findIntents(
      change.sql,
      sound.map(({ members }) => members.request_id),
    ),
  };
  const asked = new Set(sound);
  return entries.map((entry) =>
    asked.has(entry) ? appendEntry(change, entry, known, settings) : refuse('invalid_record'),
  );
}

/**
 * Appends one entry. A key that was answered before gets that answer again; a refusal writes nothing but, for a
 * key that is used with other members, one event.
 */
function appendEntry(
  change: Change,
  entry: AppendEntry,
  known: Known,
  settings: Pick<AuditLogSettings, 'maxUnflushedBytes' | 'orphanAfterMs'>,
): AppendAnswer {
  const { members } = entry;
  if (change.state.fork !== null) return refuse('forked');
  const draft = draftOf(members);
  if (draft === undefined) return refuse('invalid_record');
  const { digest } = draft;
  const size = draft.size + PLACE_BYTES;
  if (size > MAX_RECORD_BYTES) return refuse('invalid_record');
  const seen = known.keys.get(entry.key);
  if (seen && seen.digest === digest) return answer(change, seen.epoch, seen.idx, seen.leaf);
  if (seen) return conflict(change, entry, seen, known);

  const waiting = known.intents.get(members.request_id);
  const intent = waiting && members.phase === 'outcome' ? closesIntent(change, members, waiting) : undefined;
  if (intent) known.intents.delete(members.request_id);
  const counted = entry.coalesce !== undefined && isOpen(change, entry.coalesce.key);
  if (!intent && !counted && !fits(change, members, size, settings.maxUnflushedBytes)) return refuse('full');
  // Its outcome could not tell which of the two it closes.
  if (members.phase === 'intent' && waiting) return refuse('invalid_record');

  const remember = (place: KeptPlace, forMs: number) => {
    const row = { name: entry.key, digest, ...place, expires: change.now + forMs, conflicted: 0 };
    change.rows.addKey(row);
    known.keys.set(row.name, row);
    return answer(change, place.epoch, place.idx, place.leaf);
  };
  if (entry.coalesce && !intent) {
    const { place, first } = coalesce(change, entry.coalesce, members, draft.members);
    return remember(place, first ? KEY_MS : REPEAT_KEY_MS);
  }
  const { epoch, size: idx } = change.state;
  const { leaf } = intent ? change.add(intent) : change.add(members, draft.members);
  if (members.phase === 'intent') {
    const opened = openIntent(change, members, { epoch, idx }, settings.orphanAfterMs);
    known.intents.set(members.request_id, opened);
  }
  return remember({ epoch, idx, leaf }, KEY_MS);
}

/** Whether an entry is one at all: what is not must be refused before it can fail those beside it. */
function isWellFormed({ key, members, coalesce: by }: AppendEntry, tenant: string): boolean {
  if (!isKey(key)) return false;
  if (typeof members !== 'object' || members === null || members.tenant !== tenant) return false;
  const { request_id: id, phase } = members;
  if (!isKey(id)) return false;
  if (by === undefined) return true;
  // A counted intent would stand for several requests, and none of their outcomes could close it.
  return (
    phase !== 'intent' && typeof by.key === 'string' && Number.isSafeInteger(by.windowMs) && by.windowMs > 0
  );
}

/** SQLite would keep something else of a text with a lone surrogate, and read one up to its first NUL. */
function isKey(text: unknown): boolean {
  return typeof text === 'string' && /^[^\0]{1,256}$/s.test(text) && text.isWellFormed();
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

/** Whether Postgres may stay away for this record, too. An intent brings the reserve of its outcome along. */
function fits({ state }: Change, { phase }: RecordMembers, size: number, most: number): boolean {
  const intents = state.openIntents + (phase === 'intent' ? 1 : 0);
  return state.unflushedBytes + size + intents * OUTCOME_RESERVE <= most;
}

/** One event per key says that it was used for two things; which one is true nobody here can tell. */
function conflict(
  change: Change,
  { key, members }: AppendEntry,
  seen: KeyRow,
  { keys }: Known,
): AppendAnswer {
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
    keys.set(key, { ...seen, conflicted: 1 });
  }
  return refuse('key_conflict');
}

function answer(change: Change, epoch: number, idx: number, leaf: string): AppendAnswer {
  return { ok: true, leaf, ...change.place(epoch, idx) };
}

function refuse(code: Extract<AppendAnswer, { ok: false }>['code']): AppendAnswer {
  return { ok: false, code };
}
