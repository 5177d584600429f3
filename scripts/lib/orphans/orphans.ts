import { CREATING } from '../../../core/ocsf.ts';
import type { AuditRecord, Outcome, Place } from '../../../core/record.ts';

/** A change of which the log did not learn in time what became of it. */
export interface Orphan {
  readonly request_id: string;
  /** Where its intent stands. */
  readonly intent: Place;
  /** When the intent was recorded, RFC 3339; absent when only the outcome is in the database. */
  readonly time?: string;
  readonly actor?: string;
  readonly acting_party?: string;
  readonly action?: string;
  readonly operation?: string;
  /** Ids that the record names: memory ids, and tokens of users, agents and runs. */
  readonly ids: readonly string[];
  /** It touched more than `ids`: so many, or more than could be listed. */
  readonly more?: number | 'uncounted';
  /** `open`: no outcome is in the database; `unknown`: it is recorded as unknown; `corrected`: and later as known. */
  readonly state: 'open' | 'unknown' | 'corrected';
  /** What the correction says. */
  readonly result?: Outcome['result'];
  /** Why the outcome is unknown. */
  readonly reasons: readonly string[];
}

/**
 * The orphans among records that belong together by their request ids. An intent without an outcome is one when it is
 * older than `orphanAfterMs`: until then its request may be on its way.
 */
export function orphansOf(
  records: readonly AuditRecord[],
  { now, orphanAfterMs }: { readonly now: number; readonly orphanAfterMs: number },
): Orphan[] {
  const found = [...Map.groupBy(records, ({ request_id }) => request_id).values()].flatMap((all) => {
    // After a fork a record stands in two epochs; either says the same.
    const of = (phase: string) => all.find((record) => record.phase === phase);
    const [intent, outcome, correction] = [of('intent'), of('outcome'), of('correction')];
    const started = intent ?? outcome;
    const place = intent ?? outcome?.intent;
    if (started === undefined || place === undefined) return [];
    if (outcome ? outcome.outcome?.result !== 'unknown' : started.time + orphanAfterMs > now) return [];
    return [orphan(started, place, outcome, correction)];
  });
  return found.sort(oldestFirst);
}

/** The order of orphans in a list. */
export function oldestFirst(a: Orphan, b: Orphan): number {
  return compare(a.time ?? '', b.time ?? '') || compare(a.request_id, b.request_id);
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function orphan(
  started: AuditRecord,
  { log, index }: Place,
  outcome: AuditRecord | undefined,
  correction: AuditRecord | undefined,
): Orphan {
  const { request_id, actor, acting_party, action, operation, resource, phase, time } = started;
  const corrected = correction?.outcome !== undefined && correction.outcome.result !== 'unknown';
  const more = resource?.cut ? 'uncounted' : resource?.count;
  return {
    request_id,
    intent: { log, index },
    ...(phase === 'intent' ? { time: new Date(time).toISOString() } : {}),
    ...(actor === undefined ? {} : { actor: actor.sub }),
    ...(acting_party === undefined ? {} : { acting_party }),
    ...(action === undefined ? {} : { action }),
    ...(operation === undefined ? {} : { operation }),
    ids: resource?.ids ?? [],
    ...(more === undefined ? {} : { more }),
    state: corrected ? 'corrected' : outcome ? 'unknown' : 'open',
    ...(corrected ? { result: correction.outcome.result } : {}),
    reasons: outcome?.reasons ?? [],
  };
}

/** What Mem0 says of a memory now. Times are milliseconds since the epoch; NaN: one that names no moment. */
export type Memory =
  | { readonly kind: 'there' | 'gone'; readonly changed: readonly number[] }
  | { readonly kind: 'unasked'; readonly why: string };

export interface Verdict {
  /** `done` and `not_done` as far as it can be seen; a later request may have done the same. */
  readonly verdict: 'recorded' | 'done' | 'not_done' | 'partly' | 'unclear' | 'unknowable' | 'not_asked';
  readonly because: string;
}

const MEMORY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The memories that can say what became of a change; empty: none can. */
export function memoriesToAsk({ action, operation, ids, state }: Orphan): readonly string[] {
  if (state === 'corrected' || operation === undefined || CREATING.includes(operation)) return [];
  return action === 'delete' || action === 'write' ? ids.filter((id) => MEMORY_ID.test(id)) : [];
}

/** Mem0's clock and the log's may differ by this. */
const SKEW_MS = 5000;

type Seen = 'done' | 'not_done' | 'unclear';

/** What became of a change, from what Mem0 says of the memories of `memoriesToAsk`, by id. */
export function judge(orphan: Orphan, memories: ReadonlyMap<string, Memory>): Verdict {
  const { state, result, operation, action, more, time } = orphan;
  if (state === 'corrected') return { verdict: 'recorded', because: `a correction says ${result}` };
  if (operation !== undefined && CREATING.includes(operation)) {
    return { verdict: 'unknowable', because: 'what it may have made carries no mark of this request' };
  }
  const asked = memoriesToAsk(orphan);
  if (asked.length === 0) {
    const because =
      more === undefined
        ? 'the record names no memory'
        : 'the memories are recorded by number and digest only';
    return { verdict: 'unknowable', because };
  }
  const began = time === undefined ? undefined : Date.parse(time);
  const seen: Seen[] = [];
  for (const id of asked) {
    const memory = memories.get(id) ?? { kind: 'unasked', why: 'Mem0 was not asked' };
    if (memory.kind === 'unasked') return { verdict: 'not_asked', because: memory.why };
    seen.push(action === 'delete' ? (memory.kind === 'gone' ? 'done' : 'not_done') : changed(memory, began));
  }
  return verdictOf(seen, action === 'delete' ? DELETED : CHANGED, more !== undefined);
}

function changed(
  { kind, changed: times }: Exclude<Memory, { kind: 'unasked' }>,
  began: number | undefined,
): Seen {
  if (began === undefined) return 'unclear';
  const known = times.filter((time) => !Number.isNaN(time));
  const last = Math.max(Number.NEGATIVE_INFINITY, ...known);
  if (last >= began) return 'done';
  return kind === 'gone' || known.length < times.length || last >= began - SKEW_MS ? 'unclear' : 'not_done';
}

type Sentences = { readonly [S in Seen]: string };

const DELETED: Sentences = {
  done: 'gone, by this request or a later one',
  not_done: 'still there',
  unclear: '',
};
const CHANGED: Sentences = {
  done: 'changed since, by this request or a later one',
  not_done: 'not changed since',
  unclear: 'it cannot be told whether it was changed since',
};

function verdictOf(seen: readonly Seen[], sentences: Sentences, more: boolean): Verdict {
  const kinds = [...new Set(seen)];
  const count = (kind: Seen) => seen.filter((each) => each === kind).length;
  const because = kinds.map((kind) => `${count(kind)} of ${seen.length}: ${sentences[kind]}`).join('; ');
  return {
    verdict: kinds.length === 1 ? kinds[0]! : 'partly',
    because: more ? `${because}; it may have touched more` : because,
  };
}
