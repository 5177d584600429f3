import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type EntityIdKind, parseId } from './ids.ts';
import { isObject, type JsonObject, objectOf, TEXT_CONTROL } from './json.ts';
import { shadowsField } from './metadata.ts';
import { type Checked, fault } from './reasons.ts';

/** Ids as a client names them, without the tenant's namespace. */
export type EntityIds = { readonly [K in EntityIdKind]?: string };

/** A filter that was understood: all of its conditions hold at once. */
export interface Filter {
  readonly ids: EntityIds;
  /** Conditions on metadata keys, rebuilt: a plain value, or exactly one operator. */
  readonly conditions: JsonObject;
}

const MAX_CONDITIONS = 20;
const MAX_LIST = 100;
const MAX_TEXT = 1024;

const LOGICAL: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT', '$and', '$or', '$not']);
const KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
/** The ids that the self-hosted server filters by. */
const FILTER_IDS: ReadonlySet<string> = new Set(ENTITY_IDS.filter((kind) => kind !== 'app_id'));

/**
 * A flat filter of the self-hosted server: ids as plain strings, metadata keys as a plain value or one
 * operator. A tree of AND, OR and NOT would let its children override the ids, so none is understood here.
 * @returns a fault whose pointer names fields of Mem0 only; a metadata key is told by its position.
 */
export function parseFilter(value: unknown, pointer: string): Checked<Filter> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  const entries = Object.entries(value);
  if (entries.length > MAX_CONDITIONS) return fault(pointer, 'too_many');
  const ids: { [K in EntityIdKind]?: string } = {};
  const conditions: [string, Json][] = [];
  for (const [at, [key, condition]] of entries.entries()) {
    const where = `It is member ${at + 1} of the filter.`;
    if (LOGICAL.has(key)) return fault(`${pointer}/${key}`, 'filter_logical');
    if (FILTER_IDS.has(key)) {
      const id = parseFilterId(condition, `${pointer}/${key}`);
      if (!id.ok) return id;
      ids[key as EntityIdKind] = id.value;
      continue;
    }
    if (shadowsField(key)) return fault(`${pointer}/${key}`, 'filter_field');
    if (!KEY.test(key) || key === '__proto__') return fault(pointer, 'filter_key', where);
    const parsed = parseCondition(condition, pointer, where);
    if (!parsed.ok) return parsed;
    conditions.push([key, parsed.value]);
  }
  return { ok: true, value: { ids, conditions: objectOf(conditions) } };
}

function parseFilterId(value: unknown, pointer: string): Checked<string> {
  if (isObject(value) || Array.isArray(value)) return fault(pointer, 'filter_operator_on_id');
  if (typeof value !== 'string') return fault(pointer, 'wrong_type');
  const id = parseId(value);
  return id.ok ? { ok: true, value: id.id } : fault(pointer, id.reason);
}

type Operand = 'scalar' | 'ordered' | 'list' | 'text';

/** The operators of a condition, and what each takes. */
const OPERATORS: { readonly [operator: string]: Operand } = {
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
};

function parseCondition(value: unknown, pointer: string, where: string): Checked<Json> {
  if (!isObject(value)) return parseScalar(value, pointer, where);
  const [[operator, operand] = ['', undefined], ...others] = Object.entries(value);
  // Engines differ on which of two operators they apply, so one it is.
  if (others.length > 0 || !Object.hasOwn(OPERATORS, operator)) {
    return fault(pointer, 'filter_operator', where);
  }
  const parsed = parseOperand(OPERATORS[operator]!, operand, pointer, where);
  return parsed.ok ? { ok: true, value: objectOf([[operator, parsed.value]]) } : parsed;
}

function parseOperand(takes: Operand, value: unknown, pointer: string, where: string): Checked<Json> {
  if (takes === 'list') {
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LIST) {
      return fault(pointer, 'filter_value', where);
    }
    const out: Json[] = [];
    for (const entry of value) {
      const parsed = parseScalar(entry, pointer, where);
      if (!parsed.ok) return parsed;
      out.push(parsed.value);
    }
    return { ok: true, value: out };
  }
  const bad =
    takes === 'text' ? typeof value !== 'string' : takes === 'ordered' && typeof value === 'boolean';
  return bad ? fault(pointer, 'filter_value', where) : parseScalar(value, pointer, where);
}

function parseScalar(value: unknown, pointer: string, where: string): Checked<Json> {
  switch (typeof value) {
    case 'boolean':
      return { ok: true, value };
    case 'number':
      return Number.isFinite(value) ? { ok: true, value } : fault(pointer, 'filter_value', where);
    case 'string':
      if (value.length > MAX_TEXT) return fault(pointer, 'filter_value', where);
      if (TEXT_CONTROL.test(value)) return fault(pointer, 'control_character', where);
      return value.trim() === '*' ? fault(pointer, 'filter_wildcard', where) : { ok: true, value };
    default:
      return fault(pointer, 'filter_value', where);
  }
}
