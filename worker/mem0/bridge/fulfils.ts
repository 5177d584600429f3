import { isObject } from '../../../core/json.ts';
import type { Condition } from '../filters.ts';
import type { FilterNode, Moment, TimeOperator } from '../platform-filter.ts';

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
    case 'words':
      return holds(node.test, Object.hasOwn(row, node.field) ? row[node.field] : undefined);
    case 'metadata': {
      const metadata = isObject(row.metadata) ? row.metadata : {};
      return node.conditions.every(({ key, test }) =>
        holds(test, Object.hasOwn(metadata, key) ? metadata[key] : undefined),
      );
    }
  }
}

function withinTimes(by: readonly (readonly [TimeOperator, Moment])[], value: unknown): boolean {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) return false;
  return by.every(([operator, operand]) => ordered(operator, time, operand.ms));
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
