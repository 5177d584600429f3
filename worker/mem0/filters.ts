import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type EntityIdKind, parseId } from '../../core/ids.ts';
import { isObject, type JsonObject, objectOf, TEXT_CONTROL } from '../../core/json.ts';
import { shadowsField } from './metadata.ts';
import { type Checked, fault } from './reasons.ts';

/** Ids as a client names them, without the tenant's namespace. */
export type EntityIds = { readonly [K in EntityIdKind]?: string };

/** The operators of a condition, and what each takes. */
const OPERATORS = {
  eq: 'scalar',
  ne: 'scalar',
  gt: 'ordered',
  gte: 'ordered',
  lt: 'ordered',
  lte: 'ordered',
  in: 'list',
  nin: 'list',
  contains: 'text',
  icontains: 'text',
} as const;

type Operator = keyof typeof OPERATORS;
type Operand = (typeof OPERATORS)[Operator];
type Scalar = string | number | boolean;

/** What a key of the metadata must hold. */
export interface Condition {
  readonly kind: 'condition';
  readonly key: string;
  readonly test:
    | { readonly is: 'equal'; readonly value: Scalar }
    /** The key is there, whatever it holds. */
    | { readonly is: 'present' }
    | {
        readonly is: 'compared';
        readonly by: readonly (readonly [operator: Operator, operand: Scalar | readonly Scalar[]])[];
      };
}

/** Groups of conditions: all of them, at least one of them, none of them. */
export interface Groups {
  readonly kind: 'AND' | 'OR' | 'NOT';
  readonly groups: readonly (readonly Condition[])[];
}

/**
 * A filter of the self-hosted server that was understood. Its members stand in the order in which they came: the
 * server lays the conditions of AND over those beside it, so that of two on one key the later decides. Ids stand at
 * the top alone, because there nothing can be laid over them.
 */
export interface Filter {
  readonly ids: EntityIds;
  readonly members: readonly (Condition | Groups)[];
}

export const MAX_NODES = 256;
const MAX_LIST = 100;
const MAX_TEXT = 1024;

const LOGICAL: ReadonlySet<string> = new Set<Groups['kind']>(['AND', 'OR', 'NOT']);
const KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const IDS: ReadonlySet<string> = new Set(ENTITY_IDS);
/** The ids that the self-hosted server filters by. */
const FILTER_IDS: ReadonlySet<string> = new Set(ENTITY_IDS.filter((kind) => kind !== 'app_id'));

/** Where a fault is: a pointer down to the object, and which of its members. A metadata key is never named. */
export interface Place {
  readonly pointer: string;
  readonly where: string;
}

/** What is left of a filter's nodes. Owned by the parse that it was made for. */
export interface Budget {
  nodes: number;
}

/**
 * Reads a filter of the self-hosted server: ids as plain strings, conditions on metadata, and one level of AND, OR
 * and NOT over such conditions, because the server understands no other. What is not listed is refused.
 */
export function parseFilter(value: unknown, pointer: string): Checked<Filter> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  const budget: Budget = { nodes: MAX_NODES };
  const ids: { [K in EntityIdKind]?: string } = {};
  const members: (Condition | Groups)[] = [];
  for (const [at, [key, content]] of Object.entries(value).entries()) {
    if (FILTER_IDS.has(key)) {
      const id = parseFilterId(content, `${pointer}/${key}`);
      if (!id.ok) return id;
      ids[key as EntityIdKind] = id.value;
      continue;
    }
    const member = LOGICAL.has(key)
      ? parseGroups(key as Groups['kind'], content, `${pointer}/${key}`, budget)
      : parseCondition(key, content, { pointer, where: memberOf(at) }, budget);
    if (!member.ok) return member;
    members.push(member.value);
  }
  return { ok: true, value: { ids, members } };
}

export const memberOf = (at: number) => `It is member ${at + 1} of the object.`;

function parseFilterId(value: unknown, pointer: string): Checked<string> {
  if (isObject(value) || Array.isArray(value)) return fault(pointer, 'filter_operator_on_id');
  if (typeof value !== 'string') return fault(pointer, 'wrong_type');
  const id = parseId(value);
  return id.ok ? { ok: true, value: id.id } : fault(pointer, id.reason);
}

function parseGroups(kind: Groups['kind'], value: unknown, pointer: string, budget: Budget): Checked<Groups> {
  if (!Array.isArray(value)) return fault(pointer, 'wrong_type');
  if (value.length === 0) return fault(pointer, 'empty');
  const groups: Condition[][] = [];
  for (const [at, entry] of value.entries()) {
    const group = parseGroup(entry, `${pointer}/${at}`, budget);
    if (!group.ok) return group;
    groups.push(group.value);
  }
  return { ok: true, value: { kind, groups } };
}

function parseGroup(value: unknown, pointer: string, budget: Budget): Checked<Condition[]> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  const entries = Object.entries(value);
  // Engines differ on whether nothing is fulfilled by everything.
  if (entries.length === 0) return fault(pointer, 'empty');
  const conditions: Condition[] = [];
  for (const [at, [key, content]] of entries.entries()) {
    if (IDS.has(key)) return fault(`${pointer}/${key}`, 'filter_id_inside');
    if (LOGICAL.has(key)) return fault(`${pointer}/${key}`, 'filter_nested');
    const condition = parseCondition(key, content, { pointer, where: memberOf(at) }, budget);
    if (!condition.ok) return condition;
    conditions.push(condition.value);
  }
  return { ok: true, value: conditions };
}

export function parseCondition(
  key: string,
  value: unknown,
  place: Place,
  budget: Budget,
): Checked<Condition> {
  budget.nodes -= 1;
  if (budget.nodes < 0) return fault(place.pointer, 'too_many');
  if (shadowsField(key) || key === 'memory_ids') return fault(`${place.pointer}/${key}`, 'filter_field');
  if (!KEY.test(key) || key === '__proto__') return fault(place.pointer, 'filter_key', place.where);
  const test = parseTest(value, place);
  return test.ok ? { ok: true, value: { kind: 'condition', key, test: test.value } } : test;
}

function parseTest(value: unknown, place: Place): Checked<Condition['test']> {
  if (Array.isArray(value)) {
    const list = parseOperand('list', value, place);
    return list.ok ? { ok: true, value: { is: 'compared', by: [['in', list.value]] } } : list;
  }
  if (!isObject(value)) {
    const scalar = parseScalar(value, place);
    if (!scalar.ok) return scalar;
    // As text of its own the wildcard means that the key is there; trimmed, as the server reads it.
    const present = typeof scalar.value === 'string' && scalar.value.trim() === '*';
    return { ok: true, value: present ? { is: 'present' } : { is: 'equal', value: scalar.value } };
  }
  const by: [Operator, Scalar | readonly Scalar[]][] = [];
  for (const [operator, operand] of Object.entries(value)) {
    if (!Object.hasOwn(OPERATORS, operator)) return fault(place.pointer, 'filter_operator', place.where);
    const parsed = parseOperand(OPERATORS[operator as Operator], operand, place);
    if (!parsed.ok) return parsed;
    by.push([operator as Operator, parsed.value]);
  }
  if (by.length === 0) return fault(place.pointer, 'filter_operator', place.where);
  return { ok: true, value: { is: 'compared', by } };
}

function parseOperand(takes: Operand, value: unknown, place: Place): Checked<Scalar | readonly Scalar[]> {
  const bad = () => fault(place.pointer, 'filter_value', place.where);
  if (takes === 'list') {
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LIST) return bad();
    const out: Scalar[] = [];
    for (const entry of value) {
      const parsed = parseScalar(entry, place);
      if (!parsed.ok) return parsed;
      out.push(parsed.value);
    }
    return { ok: true, value: out };
  }
  if (takes === 'text' && typeof value !== 'string') return bad();
  if (takes === 'ordered' && typeof value === 'boolean') return bad();
  return parseScalar(value, place);
}

function parseScalar(value: unknown, { pointer, where }: Place): Checked<Scalar> {
  switch (typeof value) {
    case 'boolean':
      return { ok: true, value };
    case 'number':
      return Number.isFinite(value) ? { ok: true, value } : fault(pointer, 'filter_value', where);
    case 'string':
      if (value.length > MAX_TEXT) return fault(pointer, 'filter_value', where);
      return TEXT_CONTROL.test(value) ? fault(pointer, 'control_character', where) : { ok: true, value };
    default:
      return fault(pointer, 'filter_value', where);
  }
}

/**
 * The filter that Mem0 gets: what the tree holds and nothing else, beside the ids that are given here, already in
 * the tenant's namespace.
 */
export function rebuildFilter(
  ids: readonly (readonly [string, string])[],
  members: Filter['members'],
): JsonObject {
  return objectOf([
    ...ids,
    ...members.map((member): readonly [string, Json] =>
      member.kind === 'condition'
        ? entryOf(member)
        : [member.kind, member.groups.map((group) => objectOf(group.map(entryOf)) as Json)],
    ),
  ]);
}

function entryOf({ key, test }: Condition): readonly [string, Json] {
  return [key, conditionValue(test)];
}

/** What a key must hold, as Mem0 reads it. */
export function conditionValue(test: Condition['test']): Json {
  switch (test.is) {
    case 'present':
      return '*';
    case 'equal':
      return test.value;
    case 'compared':
      return objectOf(test.by.map(([operator, operand]) => [operator, operand as Json])) as Json;
  }
}
