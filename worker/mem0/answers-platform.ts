import type { Json } from '../../core/canonical.ts';
import { isUuid, type Namespace, restore } from '../../core/ids.ts';
import { isObject, type JsonObject, objectOf } from '../../core/json.ts';
import type { AnswerShape } from './catalogue/types.ts';
import { type CheckedAnswer, INCOMPLETE, MALFORMED, type Reader, UNPROVEN } from './checked.ts';
import { ENTITY_FIELDS, isMemory, item, type Memory, ownerOf, pick, resultsOf } from './rows.ts';
import { withoutPrefix } from './unscope-text.ts';

// Answers of the hosted Platform. Each is built from what is known of its shape: nothing is passed on because it was
// there.

const ADDED_FIELDS = ['id', 'event', 'memory'];
export const EVENT_STATUSES: ReadonlySet<unknown> = new Set(['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED']);

/** `{count, next, previous, results}`. The links are only said to be there: where they lead is the gateway's to say. */
const page: Reader = (space, answer, { fields }) => {
  const rows = resultsOf(answer);
  if (!isObject(answer) || !rows?.every(isMemory)) return MALFORMED;
  const own = rows.filter((row) => ownerOf(space, row) === 'own');
  const withheld = rows.length - own.length;
  const count = Number.isSafeInteger(answer.count) ? (answer.count as number) - withheld : own.length;
  const there = (link: unknown) => typeof link === 'string' && link !== '';
  return {
    ok: true,
    body: {
      count: Math.max(count, own.length),
      next: there(answer.next),
      previous: there(answer.previous),
      results: shown(space, own, fields),
    },
    ...{ rows: own.length, withheld },
    memoryIds: own.map(({ id }) => id),
  };
};

/** A list of memories, bare or under `results`: the deprecated forms are not alike in it. */
const list: Reader = (space, answer, { fields }) => {
  const rows = Array.isArray(answer) ? (answer as readonly unknown[]) : resultsOf(answer);
  if (!rows?.every(isMemory)) return MALFORMED;
  const own = rows.filter((row) => ownerOf(space, row) === 'own');
  const results = shown(space, own, fields);
  return {
    ok: true,
    body: Array.isArray(answer) ? results : { results },
    ...{ rows: own.length, withheld: rows.length - own.length },
    memoryIds: own.map(({ id }) => id),
  };
};

/** Own memories with the fields that were asked for; the id is always there. */
function shown(space: Namespace, rows: readonly Memory[], fields: readonly string[] | undefined): Json[] {
  const items = rows.map((row) => item(space, row));
  if (fields === undefined) return items as Json[];
  const kept = new Set(['id', ...fields]);
  return items.map((each) =>
    objectOf(Object.entries(each).filter(([name]) => kept.has(name)) as [string, Json][]),
  ) as Json[];
}

/** An addition that has begun, or that is done. */
const accepted: Reader = (space, answer) => {
  if (!isObject(answer)) return MALFORMED;
  const { event_id: eventId, status } = answer;
  const rows = answer.results === undefined ? [] : resultsOf(answer);
  if (!rows?.every(isMemory) || !EVENT_STATUSES.has(status)) return MALFORMED;
  if (eventId !== undefined && !(typeof eventId === 'string' && isUuid(eventId))) return MALFORMED;
  const own = rows.filter((row) => ownerOf(space, row) !== 'foreign');
  return {
    ok: true,
    body: {
      message: status === 'SUCCEEDED' ? 'Memories added.' : 'The memories are being added.',
      status: status as string,
      ...(eventId === undefined ? {} : { event_id: eventId }),
      ...(answer.results === undefined ? {} : { results: own.map(added) as Json[] }),
    },
    ...{ rows: own.length, withheld: rows.length - own.length },
    memoryIds: own.map(({ id }) => id),
  };
};

function added(row: Memory): JsonObject {
  const memory = isObject(row.data) && typeof row.data.memory === 'string' ? row.data.memory : undefined;
  return { ...pick(row, ADDED_FIELDS), ...(memory === undefined ? {} : { data: { memory } }) };
}

/** The memory as it is after a change. Its owner was proven; where one is named, it has to be this tenant. */
const changed: Reader = (space, answer, { asked }) => {
  if (!isMemory(answer)) return MALFORMED;
  if (answer.id !== asked || ownerOf(space, answer) === 'foreign') return UNPROVEN;
  const text = typeof answer.text === 'string' ? { text: answer.text } : {};
  return {
    ok: true,
    body: { ...item(space, answer), ...text } as Json,
    ...{ rows: 1, withheld: 0 },
    memoryIds: [answer.id],
  };
};

const rated: Reader = (_space, answer) =>
  isObject(answer) ? plain(pick(answer, ['feedback', 'feedback_reason'])) : MALFORMED;

const summary: Reader = (space, answer) => {
  if (!isObject(answer) || typeof answer.summary !== 'string') return MALFORMED;
  return plain({ summary: withoutPrefix(space, answer.summary) });
};

/** An export that was begun: its id is what it is read by. */
const begun: Reader = (_space, answer) => {
  const id = isObject(answer) ? answer.id : undefined;
  return typeof id === 'string' && isUuid(id) ? plain({ id, message: 'The export has begun.' }) : MALFORMED;
};

/**
 * An export is in a form of the client's own, and was made of the tenant's memories. What of it names its owners is
 * held against them like any row; ids of the tenant become the client's, wherever they stand.
 */
const exported: Reader = (space, answer) => {
  if (!isObject(answer)) return MALFORMED;
  let withheld = 0;
  const restored = (value: unknown): Json | undefined => {
    if (typeof value === 'string') return withoutPrefix(space, value);
    if (Array.isArray(value)) return value.map(restored).filter((each) => each !== undefined);
    if (!isObject(value)) return value as Json;
    if (ownerOf(space, value) === 'foreign') {
      withheld += 1;
      return undefined;
    }
    const entries = Object.entries(value).map(([key, each]) => [key, restored(each)] as const);
    return objectOf(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));
  };
  const body = restored(answer) ?? {};
  return { ok: true, body, rows: 0, withheld, memoryIds: [] };
};

const entity: Reader = (space, answer) => {
  const own = isObject(answer) ? entityOf(space, answer) : undefined;
  return own === undefined ? UNPROVEN : plain(own);
};

/** The Platform lists the entities of the whole project, so those of others are no sign of a breach. */
const entityPage: Reader = (space, answer) => {
  const rows = resultsOf(answer);
  if (!isObject(answer) || !rows?.every(isObject)) return MALFORMED;
  // Of a list that goes on one cannot know how many are the tenant's.
  if (typeof answer.next === 'string') return INCOMPLETE;
  const own = rows.flatMap((row): readonly JsonObject[] => {
    const named = entityOf(space, row);
    return named === undefined ? [] : [named];
  });
  const of = (type: string) => own.filter((row) => row.type === type).length;
  return plain({
    ...{ count: own.length, next: false, previous: false },
    ...{ total_users: of('user'), total_agents: of('agent'), total_apps: of('app'), total_runs: of('run') },
    results: own as Json[],
  });
};

function entityOf(space: Namespace, row: { readonly [field: string]: unknown }): JsonObject | undefined {
  const name = typeof row.name === 'string' ? restore(space, row.name) : undefined;
  return name === undefined ? undefined : { ...pick(row, ENTITY_FIELDS), id: name, name };
}

function plain(body: JsonObject): CheckedAnswer {
  return { ok: true, body: body as Json, rows: 0, withheld: 0, memoryIds: [] };
}

/** The readers of the shapes that the Platform alone has. */
export const PLATFORM_READERS = {
  page,
  list,
  accepted,
  changed,
  rated,
  summary,
  export: begun,
  exported,
  entity,
  entity_page: entityPage,
} as const satisfies { readonly [S in AnswerShape]?: Reader };
