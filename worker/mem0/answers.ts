import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, isUuid, type Namespace, restore } from '../../core/ids.ts';
import type { AnswerShape, Operation } from './catalogue/types.ts';
import { isObject, type JsonObject, objectOf } from './json.ts';
import { camelCase } from './metadata.ts';

/** What is known of a request when its answer is checked. */
export interface AnswerContext {
  /** Memory ids whose owner was proven before the call. */
  readonly proven?: readonly string[];
  /** The memory that the path names: an answer about another one is nobody's. */
  readonly asked?: string | undefined;
}

export type AnswerFault =
  /** The memory is not the tenant's, or there is none. */
  | 'owner_unproven'
  /** Mem0's answer does not have the shape of its operation. */
  | 'answer_malformed';

export type CheckedAnswer =
  | {
      readonly ok: true;
      readonly body: Json;
      readonly rows: number;
      /** Rows that are not this tenant's and were left out. */
      readonly withheld: number;
      /** Ids of the memories in the answer. */
      readonly memoryIds: readonly string[];
    }
  | { readonly ok: false; readonly reason: AnswerFault };

/** What Mem0 may say of a memory, beside its ids; anything else is left out. */
const ITEM_FIELDS = [
  'id',
  'memory',
  'hash',
  'metadata',
  'score',
  'score_details',
  'created_at',
  'updated_at',
  'actor_id',
  'role',
  'attributed_to',
  'expiration_date',
];
const ADDED_FIELDS = ['id', 'memory', 'event', 'previous_memory', 'actor_id', 'role'];
const HISTORY_FIELDS = [
  'id',
  'memory_id',
  'old_memory',
  'new_memory',
  'event',
  'created_at',
  'updated_at',
  'is_deleted',
  'actor_id',
  'role',
];

const ENTITY_FIELDS = ['type', 'total_memories', 'created_at', 'updated_at'];

const MALFORMED: CheckedAnswer = { ok: false, reason: 'answer_malformed' };
const UNPROVEN: CheckedAnswer = { ok: false, reason: 'owner_unproven' };

/**
 * Checks Mem0's answer by its operation's owner rule, restores the tenant's ids and keeps only known fields.
 * `answer` is whatever Mem0's JSON held; nothing of it is passed on unread but metadata, which is the
 * client's own.
 */
export function checkAnswer(
  operation: Operation,
  space: Namespace,
  answer: unknown,
  context: AnswerContext,
): CheckedAnswer {
  return READERS[operation.answer](space, answer, context, operation);
}

type Reader = (
  space: Namespace,
  answer: unknown,
  context: AnswerContext,
  operation: Operation,
) => CheckedAnswer;

const READERS: { readonly [S in AnswerShape]: Reader } = {
  item: readItem,
  items: readItems,
  added: readAdded,
  history: readHistory,
  entities: readEntities,
  message: readMessage,
  unread: () => MALFORMED,
};

/** One memory by its id. Mem0 says `null` for a missing one; that is told only of a memory proven before. */
function readItem(space: Namespace, answer: unknown, { proven = [], asked }: AnswerContext): CheckedAnswer {
  if (answer === null) {
    return proven.length > 0 ? { ok: true, body: null, rows: 0, withheld: 0, memoryIds: [] } : UNPROVEN;
  }
  if (!isMemory(answer)) return MALFORMED;
  if (ownerOf(space, answer) !== 'own' || (asked ?? answer.id) !== answer.id) return UNPROVEN;
  return { ok: true, body: item(space, answer), rows: 1, withheld: 0, memoryIds: [answer.id] };
}

function readItems(space: Namespace, answer: unknown): CheckedAnswer {
  const rows = resultsOf(answer);
  if (!rows?.every(isMemory)) return MALFORMED;
  const own = rows.filter((row) => ownerOf(space, row) === 'own');
  return {
    ok: true,
    body: { results: own.map((row) => item(space, row)) },
    rows: own.length,
    withheld: rows.length - own.length,
    memoryIds: own.map((row) => row.id),
  };
}

/** The results of a scoped addition carry no ids of their owners; what they are is the tenant's. */
function readAdded(space: Namespace, answer: unknown): CheckedAnswer {
  const rows = resultsOf(answer);
  if (!rows?.every(isMemory)) return MALFORMED;
  // Where an owner is named after all, it has to be this tenant.
  const own = rows.filter((row) => ownerOf(space, row) !== 'foreign');
  return {
    ok: true,
    body: { results: own.map((row) => pick(row, ADDED_FIELDS)) },
    rows: own.length,
    withheld: rows.length - own.length,
    memoryIds: own.map((row) => row.id),
  };
}

function readHistory(space: Namespace, answer: unknown, { proven = [] }: AnswerContext): CheckedAnswer {
  if (!Array.isArray(answer) || !answer.every(isObject)) return MALFORMED;
  const own = answer.filter((row) => {
    const id = row.memory_id;
    const named = id === undefined || id === null || (typeof id === 'string' && proven.includes(id));
    return named && ownerOf(space, row) !== 'foreign';
  });
  return {
    ok: true,
    body: own.map((row) => pick(row, HISTORY_FIELDS)),
    rows: own.length,
    withheld: answer.length - own.length,
    memoryIds: [],
  };
}

/**
 * The server lists the entities of everybody, so those of others are no sign of a breach. An id that is not in the
 * tenant's namespace is as if it were not there.
 */
function readEntities(space: Namespace, answer: unknown): CheckedAnswer {
  if (!Array.isArray(answer) || !answer.every(isObject)) return MALFORMED;
  const own = answer.flatMap((row) => {
    const id = typeof row.id === 'string' ? restore(space, row.id) : undefined;
    return id === undefined ? [] : [{ ...pick(row, ENTITY_FIELDS), id }];
  });
  return { ok: true, body: own, rows: own.length, withheld: 0, memoryIds: [] };
}

/** Mem0's own sentence may name anything, so the row's is given in its place. */
function readMessage(
  _space: Namespace,
  answer: unknown,
  _context: AnswerContext,
  { says }: Operation,
): CheckedAnswer {
  if (!isObject(answer) || typeof answer.message !== 'string') return MALFORMED;
  return {
    ok: true,
    body: { message: says ?? 'Done.' },
    rows: 0,
    withheld: 0,
    memoryIds: [],
  };
}

/**
 * Whose a row of Mem0 is: `own` when it has at least one owner id and every one is in the tenant's
 * namespace, `nobody` when it has none, `foreign` otherwise.
 */
export function ownerOf(space: Namespace, row: unknown): 'own' | 'foreign' | 'nobody' {
  if (!isObject(row)) return 'nobody';
  let owner: 'own' | 'nobody' = 'nobody';
  for (const kind of ENTITY_IDS) {
    const id = Object.hasOwn(row, kind) ? row[kind] : undefined;
    if (id === undefined || id === null) continue;
    if (typeof id !== 'string' || restore(space, id) === undefined) return 'foreign';
    owner = 'own';
  }
  return owner;
}

interface Memory {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A row that a memory id stands in; ids of any other form never reach a record or a client. */
function isMemory(row: unknown): row is Memory {
  return isObject(row) && typeof row.id === 'string' && isUuid(row.id);
}

function resultsOf(answer: unknown): readonly unknown[] | undefined {
  return isObject(answer) && Array.isArray(answer.results) ? answer.results : undefined;
}

/** An own memory as its client knows it. */
function item(space: Namespace, row: Memory): JsonObject {
  const ids = ENTITY_IDS.flatMap((kind) => {
    const value = row[kind];
    const id = typeof value === 'string' ? restore(space, value) : undefined;
    return id === undefined ? [] : [[kind, id] as const];
  });
  const fields = pick(row, ITEM_FIELDS);
  const metadata = isObject(row.metadata) ? { metadata: withoutOwners(space, row.metadata) } : {};
  return { ...fields, ...metadata, ...objectOf(ids) };
}

const OWNER_KEYS: ReadonlySet<string> = new Set(ENTITY_IDS.flatMap((kind) => [kind, camelCase(kind)]));

/** Metadata is the client's own, but engines copy owner ids into it: those are restored, or left out. */
function withoutOwners(space: Namespace, metadata: { readonly [key: string]: unknown }): Json {
  const entries = Object.entries(metadata).flatMap(([key, value]): [string, Json][] => {
    if (!OWNER_KEYS.has(key)) return [[key, value as Json]];
    const id = typeof value === 'string' ? restore(space, value) : undefined;
    return id === undefined ? [] : [[key, id]];
  });
  return objectOf(entries);
}

/** The known fields of a row, as far as they hold what such a field can hold. */
function pick(row: { readonly [field: string]: unknown }, fields: readonly string[]): JsonObject {
  const known = fields.filter(
    (name) => Object.hasOwn(row, name) && isPlain(row[name], name === 'score_details'),
  );
  return objectOf(known.map((name) => [name, row[name] as Json]));
}

/** A scalar; where a field may explain a score, numbers by name too. */
function isPlain(value: unknown, numbers: boolean): boolean {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  return numbers && isObject(value) && Object.values(value).every((part) => typeof part === 'number');
}
