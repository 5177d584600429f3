import { ENTITY_IDS, type EntityIdKind, isUuid, parseId } from '../../../core/ids.ts';
import { type Budget, type Condition, MAX_NODES, memberOf, parseCondition } from '../filters.ts';
import { isObject } from '../json.ts';
import { type Checked, fault } from '../reasons.ts';

type TimeOperator = 'eq' | 'gt' | 'gte' | 'lt' | 'lte';

/** A filter of the Platform's grammar that was understood. */
export type FilterNode =
  /** All, at least one, or none of them. */
  | { readonly kind: 'AND' | 'OR' | 'NOT'; readonly of: readonly FilterNode[] }
  /** An entity id, as the client names it: one of these. */
  | { readonly kind: 'id'; readonly field: EntityIdKind; readonly oneOf: readonly string[] }
  | {
      readonly kind: 'time';
      readonly field: 'created_at' | 'updated_at';
      /** Milliseconds since the epoch. */
      readonly by: readonly (readonly [TimeOperator, number])[];
    }
  | { readonly kind: 'metadata'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'memory_ids'; readonly ids: readonly string[] };

const MAX_DEPTH = 8;
const MAX_LIST = 100;
const LOGICAL: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT']);
const IDS: ReadonlySet<string> = new Set(ENTITY_IDS);
const TIMES: ReadonlySet<string> = new Set(['created_at', 'updated_at']);
const TIME_OPERATORS: ReadonlySet<string> = new Set<TimeOperator>(['eq', 'gt', 'gte', 'lt', 'lte']);
/** Fields of the Platform that nothing of a self-hosted server answers to. */
const UNSERVED: ReadonlySet<string> = new Set([
  'app_id',
  'categories',
  'expiration_date',
  'keywords',
  'keywords_search',
  'text',
  'timestamp',
]);

/**
 * Reads a filter of the Platform's grammar: an allow-list of fields and operators, to depth 8. What the Platform
 * knows and a self-hosted server cannot answer is refused, because leaving it out would widen the result.
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
  if (UNSERVED.has(key)) return fault(place, 'filter_unserved');
  if (IDS.has(key)) {
    return inside.negated ? fault(place, 'filter_id_negated') : parseIds(key as EntityIdKind, content, place);
  }
  if (TIMES.has(key)) return parseTime(key as 'created_at' | 'updated_at', content, place);
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

function parseIds(field: EntityIdKind, value: unknown, pointer: string): Checked<FilterNode> {
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
  return { ok: true, value: { kind: 'id', field, oneOf: [...new Set(oneOf)] } };
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

function parseTime(field: 'created_at' | 'updated_at', value: unknown, pointer: string): Checked<FilterNode> {
  if (!isObject(value)) return fault(pointer, 'filter_operator');
  const by: [TimeOperator, number][] = [];
  for (const [operator, text] of Object.entries(value)) {
    if (!TIME_OPERATORS.has(operator)) return fault(pointer, 'filter_operator');
    const time = typeof text === 'string' && ISO.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(time)) return fault(pointer, 'not_a_time');
    by.push([operator as TimeOperator, time]);
  }
  return by.length === 0
    ? fault(pointer, 'filter_operator')
    : { ok: true, value: { kind: 'time', field, by } };
}

/** A day, or a moment with an offset. */
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

function parseMemoryIds(value: unknown, pointer: string): Checked<FilterNode> {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LIST) {
    return fault(pointer, 'filter_value');
  }
  return value.every((id) => typeof id === 'string' && isUuid(id))
    ? { ok: true, value: { kind: 'memory_ids', ids: value as string[] } }
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
    : { ok: true, value: { kind: 'metadata', conditions } };
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

function flattened(node: FilterNode): readonly FilterNode[] {
  return node.kind === 'AND' ? node.of.flatMap(flattened) : [node];
}

/** A memory as its client knows it, as far as a filter looks at it. */
export interface FilterRow {
  readonly id?: unknown;
  readonly metadata?: unknown;
  readonly created_at?: unknown;
  readonly updated_at?: unknown;
  readonly [field: string]: unknown;
}

/** Whether a memory fulfils a filter. Pure; what a row lacks fulfils nothing but a negation. */
export function fulfils(node: FilterNode, row: FilterRow): boolean {
  switch (node.kind) {
    case 'AND':
      return node.of.every((each) => fulfils(each, row));
    case 'OR':
      return node.of.some((each) => fulfils(each, row));
    case 'NOT':
      return !node.of.some((each) => fulfils(each, row));
    case 'id':
      return node.oneOf.includes(row[node.field] as string);
    case 'memory_ids':
      return node.ids.includes(row.id as string);
    case 'time':
      return withinTimes(node.by, row[node.field]);
    case 'metadata': {
      const metadata = isObject(row.metadata) ? row.metadata : {};
      return node.conditions.every(({ key, test }) =>
        holds(test, Object.hasOwn(metadata, key) ? metadata[key] : undefined),
      );
    }
  }
}

function withinTimes(by: readonly (readonly [TimeOperator, number])[], value: unknown): boolean {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) return false;
  return by.every(([operator, operand]) => ordered(operator, time, operand));
}

function holds(test: Condition['test'], value: unknown): boolean {
  switch (test.is) {
    case 'present':
      return value !== undefined && value !== null;
    case 'equal':
      return value === test.value;
    case 'compared':
      return test.by.every(([operator, operand]) => compare(operator, value, operand));
  }
}

function compare(operator: string, value: unknown, operand: unknown): boolean {
  switch (operator) {
    case 'in':
      return (operand as unknown[]).includes(value);
    case 'nin':
      return !(operand as unknown[]).includes(value);
    case 'ne':
      return value !== operand;
    case 'contains':
      return typeof value === 'string' && value.includes(operand as string);
    case 'icontains':
      return typeof value === 'string' && value.toLowerCase().includes((operand as string).toLowerCase());
    default:
      return typeof value === typeof operand && ordered(operator, value as number, operand as number);
  }
}

/** Numbers among numbers and texts among texts. */
function ordered(operator: string, value: number, operand: number): boolean {
  switch (operator) {
    case 'gt':
      return value > operand;
    case 'gte':
      return value >= operand;
    case 'lt':
      return value < operand;
    case 'lte':
      return value <= operand;
    default:
      return value === operand;
  }
}
