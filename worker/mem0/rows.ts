import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, isUuid, type Namespace, restore } from '../../core/ids.ts';
import { isObject, type JsonObject, objectOf } from './json.ts';
import { camelCase } from './metadata.ts';

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
  'immutable',
];
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

export interface Memory {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A row that a memory id stands in; ids of any other form never reach a record or a client. */
export function isMemory(row: unknown): row is Memory {
  return isObject(row) && typeof row.id === 'string' && isUuid(row.id);
}

export function resultsOf(answer: unknown): readonly unknown[] | undefined {
  return isObject(answer) && Array.isArray(answer.results) ? answer.results : undefined;
}

/** An own memory as its client knows it. */
export function item(space: Namespace, row: Memory): JsonObject {
  const fields = pick(row, ITEM_FIELDS);
  const metadata = isObject(row.metadata) ? { metadata: withoutOwners(space, row.metadata) } : {};
  return { ...fields, ...categoriesOf(row), ...metadata, ...ownersOf(space, row), ...sessionOf(space, row) };
}

/** The owner ids of a row, as the client knows them. */
export function ownersOf(space: Namespace, row: { readonly [field: string]: unknown }): JsonObject {
  const ids = ENTITY_IDS.flatMap((kind) => {
    const value = row[kind];
    const id = typeof value === 'string' ? restore(space, value) : undefined;
    return id === undefined ? [] : [[kind, id] as const];
  });
  return objectOf(ids);
}

/** The Platform's words for what a memory is about. */
function categoriesOf({ categories }: Memory): JsonObject {
  const words = Array.isArray(categories) && categories.every((word) => typeof word === 'string');
  return words ? { categories } : {};
}

/** The Platform's older name for a run. */
function sessionOf(space: Namespace, { session_id: value }: Memory): JsonObject {
  const id = typeof value === 'string' ? restore(space, value) : undefined;
  return id === undefined ? {} : { session_id: id };
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
export function pick(row: { readonly [field: string]: unknown }, fields: readonly string[]): JsonObject {
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
