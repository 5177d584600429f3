import { type Namespace, restore } from '../../core/ids.ts';
import { isObject } from '../../core/json.ts';
import { PLATFORM_READERS } from './answers-platform.ts';
import type { AnswerShape, Operation } from './catalogue/types.ts';
import {
  type AnswerContext,
  type CheckedAnswer,
  INCOMPLETE,
  MALFORMED,
  type Reader,
  UNPROVEN,
} from './checked.ts';
import { ENTITY_FIELDS, isMemory, item, ownerOf, ownersOf, pick, resultsOf } from './rows.ts';

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
  const checked = READERS[operation.answer](space, answer, context, operation);
  if (checked.ok) return checked;
  const withheld = foreignRows(space, answer);
  return withheld === 0 ? checked : { ...checked, withheld };
}

/** Rows of another's in a list that cannot be read: what else is wrong with it does not hide them. */
function foreignRows(space: Namespace, answer: unknown): number {
  const rows: readonly unknown[] = Array.isArray(answer) ? answer : (resultsOf(answer) ?? []);
  return rows.filter((row) => ownerOf(space, row) === 'foreign').length;
}

const READERS: { readonly [S in AnswerShape]: Reader } = {
  item: readItem,
  items: readItems,
  added: readAdded,
  history: readHistory,
  entities: readEntities,
  message: readMessage,
  ...PLATFORM_READERS,
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
    body: own.map((row) => ({ ...pick(row, HISTORY_FIELDS), ...ownersOf(space, row) })),
    rows: own.length,
    withheld: answer.length - own.length,
    memoryIds: [],
  };
}

/** The self-hosted server counts entities over this many memories of everybody's, and says nothing of the others. */
const SCANNED = 10_000;

/**
 * The server lists the entities of everybody, so those of others are no sign of a breach. An id that is not in the
 * tenant's namespace is as if it were not there.
 */
function readEntities(space: Namespace, answer: unknown): CheckedAnswer {
  if (!Array.isArray(answer) || !answer.every(isObject)) return MALFORMED;
  const counted = answer.reduce((sum, { total_memories: n }) => sum + (typeof n === 'number' ? n : 0), 0);
  if (counted >= SCANNED) return INCOMPLETE;
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
