import { ENTITY_IDS, type EntityIdKind, isUuid, parseId } from '../../core/ids.ts';
import { isObject } from '../../core/json.ts';
import { type Budget, type Condition, MAX_NODES, memberOf, parseCondition } from './filters.ts';
import { type Checked, fault } from './reasons.ts';

export type TimeOperator = 'eq' | 'gt' | 'gte' | 'lt' | 'lte';

/** What is compared with a time: the memory's own stamps, and the days that its client gave it. */
const TIME_FIELDS = ['created_at', 'updated_at', 'timestamp', 'expiration_date'] as const;
export type TimeField = (typeof TIME_FIELDS)[number];

/** What is compared as metadata is. */
const WORD_FIELDS = ['text', 'categories', 'keywords', 'keywords_search'] as const;
export type WordField = (typeof WORD_FIELDS)[number];

/** A time as it was written, and in milliseconds since the epoch. */
export interface Moment {
  readonly text: string;
  readonly ms: number;
}

/** A filter of the Platform's grammar that was understood. `at` is the JSON pointer of the place that a leaf stood in. */
export type FilterNode =
  /** All, at least one, or none of them. */
  | { readonly kind: 'AND' | 'OR' | 'NOT'; readonly of: readonly FilterNode[] }
  | IdNode
  | {
      readonly kind: 'time';
      readonly field: TimeField;
      readonly by: readonly (readonly [TimeOperator, Moment])[];
      readonly at: string;
    }
  | {
      readonly kind: 'words';
      readonly field: WordField;
      readonly test: Condition['test'];
      readonly at: string;
    }
  | { readonly kind: 'metadata'; readonly conditions: readonly Condition[]; readonly at: string }
  | { readonly kind: 'memory_ids'; readonly ids: readonly string[]; readonly at: string };

/** An entity id, as the client names it: one of these. */
export interface IdNode {
  readonly kind: 'id';
  readonly field: EntityIdKind;
  readonly oneOf: readonly string[];
  readonly at: string;
}

const MAX_DEPTH = 8;
const MAX_LIST = 100;
const LOGICAL: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT']);
const IDS: ReadonlySet<string> = new Set(ENTITY_IDS);
const TIMES: ReadonlySet<string> = new Set(TIME_FIELDS);
const WORDS: ReadonlySet<string> = new Set(WORD_FIELDS);
const TIME_OPERATORS: ReadonlySet<string> = new Set<TimeOperator>(['eq', 'gt', 'gte', 'lt', 'lte']);

/**
 * Reads a filter of the Platform's grammar: an allow-list of fields and operators, to depth 8. Ids are named, never
 * negated and never a wildcard; of AND, OR and NOT one stands in an object, because the Platform drops an OR beside
 * an AND.
 */
export function parsePlatformFilter(value: unknown, pointer: string): Checked<FilterNode> {
  return parseNode(value, pointer, { depth: 1, negated: false }, { nodes: MAX_NODES });
}

interface Inside {
  readonly depth: number;
  readonly negated: boolean;
}

function parseNode(value: unknown, pointer: string, inside: Inside, budget: Budget): Checked<FilterNode> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  if (inside.depth > MAX_DEPTH) return fault(pointer, 'too_deep');
  const entries = Object.entries(value);
  if (entries.length === 0) return fault(pointer, 'empty');
  if (entries.filter(([key]) => LOGICAL.has(key)).length > 1) return fault(pointer, 'filter_siblings');
  const of: FilterNode[] = [];
  for (const [at, [key, content]] of entries.entries()) {
    budget.nodes -= 1;
    if (budget.nodes < 0) return fault(pointer, 'too_many');
    const node = parseMember(key, content, pointer, memberOf(at), inside, budget);
    if (!node.ok) return node;
    of.push(node.value);
  }
  return { ok: true, value: of.length === 1 ? of[0]! : { kind: 'AND', of } };
}

function parseMember(
  key: string,
  content: unknown,
  pointer: string,
  where: string,
  inside: Inside,
  budget: Budget,
): Checked<FilterNode> {
  const place = `${pointer}/${key}`;
  if (LOGICAL.has(key)) return parseLogical(key as 'AND' | 'OR' | 'NOT', content, place, inside, budget);
  if (IDS.has(key)) {
    if (inside.negated) return fault(place, 'filter_id_negated');
    const ids = parseIds(key as EntityIdKind, content, place);
    // Each id is a node: for each the vault may have to keep a token.
    if (ids.ok) budget.nodes -= ids.value.oneOf.length - 1;
    return budget.nodes < 0 ? fault(place, 'too_many') : ids;
  }
  if (TIMES.has(key)) return parseTime(key as TimeField, content, place);
  if (WORDS.has(key)) return parseWords(key as WordField, content, pointer, where, budget);
  if (key === 'memory_ids') return parseMemoryIds(content, place);
  if (key === 'metadata') return parseMetadata(content, place, budget);
  return fault(pointer, 'filter_field', where);
}

function parseLogical(
  kind: 'AND' | 'OR' | 'NOT',
  value: unknown,
  pointer: string,
  { depth, negated }: Inside,
  budget: Budget,
): Checked<FilterNode> {
  // The Platform takes NOT over one object, too.
  const list = kind === 'NOT' && isObject(value) ? [value] : value;
  if (!Array.isArray(list)) return fault(pointer, 'wrong_type');
  if (list.length === 0) return fault(pointer, 'empty');
  const of: FilterNode[] = [];
  for (const [at, entry] of list.entries()) {
    const within = { depth: depth + 1, negated: negated || kind === 'NOT' };
    const node = parseNode(entry, `${pointer}/${at}`, within, budget);
    if (!node.ok) return node;
    of.push(node.value);
  }
  return { ok: true, value: { kind, of } };
}

function parseIds(field: EntityIdKind, value: unknown, pointer: string): Checked<IdNode> {
  const named = isObject(value) ? operand(value) : { list: [value] };
  if (named === undefined) return fault(pointer, 'filter_operator_on_id');
  const { list } = named;
  if (list.length === 0 || list.length > MAX_LIST) return fault(pointer, 'filter_value');
  const oneOf: string[] = [];
  for (const each of list) {
    if (typeof each !== 'string') return fault(pointer, 'wrong_type');
    const id = parseId(each);
    if (!id.ok) return fault(pointer, id.reason);
    oneOf.push(id.id);
  }
  return { ok: true, value: { kind: 'id', field, oneOf: [...new Set(oneOf)], at: pointer } };
}

/** Of an id's operators only those that name it: `ne` and the wildcard would name everybody else. */
function operand(value: {
  readonly [key: string]: unknown;
}): { readonly list: readonly unknown[] } | undefined {
  const [[operator, content] = ['', undefined], ...others] = Object.entries(value);
  if (others.length > 0) return undefined;
  if (operator === 'eq') return { list: [content] };
  return operator === 'in' && Array.isArray(content) ? { list: content } : undefined;
}

function parseTime(field: TimeField, value: unknown, pointer: string): Checked<FilterNode> {
  if (!isObject(value)) return fault(pointer, 'filter_operator');
  const by: [TimeOperator, Moment][] = [];
  for (const [operator, text] of Object.entries(value)) {
    if (!TIME_OPERATORS.has(operator)) return fault(pointer, 'filter_operator');
    const ms = typeof text === 'string' && ISO.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(ms)) return fault(pointer, 'not_a_time');
    by.push([operator as TimeOperator, { text: text as string, ms }]);
  }
  return by.length === 0
    ? fault(pointer, 'filter_operator')
    : { ok: true, value: { kind: 'time', field, by, at: pointer } };
}

/** A day, or a moment with an offset. */
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** One of the Platform's own fields, compared as a key of the metadata is. */
function parseWords(
  field: WordField,
  value: unknown,
  pointer: string,
  where: string,
  budget: Budget,
): Checked<FilterNode> {
  const condition = parseCondition(field, value, { pointer, where }, budget);
  if (!condition.ok) return condition;
  return { ok: true, value: { kind: 'words', field, test: condition.value.test, at: `${pointer}/${field}` } };
}

function parseMemoryIds(given: unknown, pointer: string): Checked<FilterNode> {
  const value = isObject(given) && Object.keys(given).join() === 'in' ? given.in : given;
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LIST) {
    return fault(pointer, 'filter_value');
  }
  return value.every((id) => typeof id === 'string' && isUuid(id))
    ? { ok: true, value: { kind: 'memory_ids', ids: value as string[], at: pointer } }
    : fault(pointer, 'not_a_uuid');
}

function parseMetadata(value: unknown, pointer: string, budget: Budget): Checked<FilterNode> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  const conditions: Condition[] = [];
  for (const [at, [key, content]] of Object.entries(value).entries()) {
    const condition = parseCondition(key, content, { pointer, where: memberOf(at) }, budget);
    if (!condition.ok) return condition;
    conditions.push(condition.value);
  }
  return conditions.length === 0
    ? fault(pointer, 'empty')
    : { ok: true, value: { kind: 'metadata', conditions, at: pointer } };
}

/**
 * The ids that every result of a filter has, so that Mem0 can be asked within them: each of those that stand in a
 * conjunction from the top and name one id.
 */
export function requiredIds(node: FilterNode): { readonly [K in EntityIdKind]?: string } {
  const ids: { [K in EntityIdKind]?: string } = {};
  for (const each of node.kind === 'AND' ? flattened(node) : [node]) {
    if (each.kind === 'id' && each.oneOf.length === 1) ids[each.field] ??= each.oneOf[0]!;
  }
  return ids;
}

/** Every id node of a filter. */
export function idNodes(node: FilterNode): readonly IdNode[] {
  if (node.kind === 'id') return [node];
  return 'of' in node ? node.of.flatMap(idNodes) : [];
}

/**
 * Whether every memory that fulfils a filter has at least one of the ids that the filter names: so the filter may
 * stand beside "one of its ids" without losing a result.
 */
export function isBound(node: FilterNode): boolean {
  switch (node.kind) {
    case 'id':
      return true;
    case 'AND':
      return node.of.some(isBound);
    case 'OR':
      return node.of.every(isBound);
    default:
      return false;
  }
}

function flattened(node: FilterNode): readonly FilterNode[] {
  return node.kind === 'AND' ? node.of.flatMap(flattened) : [node];
}
