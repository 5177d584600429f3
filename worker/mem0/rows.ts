import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, isUuid, type Namespace, restore } from '../../core/ids.ts';
import { isObject, type JsonObject, objectOf } from '../../core/json.ts';
import { camelCase } from './metadata.ts';

/** What Mem0 may say of a memory, beside its ids; anything else is left out. */
/** Of a user, agent, run or app beside its name. */
export const ENTITY_FIELDS = ['type', 'total_memories', 'created_at', 'updated_at'];

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
  const known = pick(row, ITEM_FIELDS);
  const { categories, metadata, session_id: session } = row;
  if (areWords(categories)) known.categories = categories;
  if (isObject(metadata)) known.metadata = withoutOwners(space, metadata);
  addOwners(known, space, row);
  // The Platform's older name for a run.
  const run = typeof session === 'string' ? restore(space, session) : undefined;
  if (run !== undefined) known.session_id = run;
  return known;
}

/** The owner ids of a row, as the client knows them. */
export function ownersOf(space: Namespace, row: { readonly [field: string]: unknown }): JsonObject {
  return addOwners({}, space, row);
}

/** An object that is being made. Its names are from a fixed list: none of them reaches a prototype. */
type Fields = { [name: string]: Json };

function addOwners(known: Fields, space: Namespace, row: { readonly [field: string]: unknown }): Fields {
  for (const kind of ENTITY_IDS) {
    const value = row[kind];
    const id = typeof value === 'string' ? restore(space, value) : undefined;
    if (id !== undefined) known[kind] = id;
  }
  return known;
}

/** The Platform's words for what a memory is about. */
function areWords(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((word) => typeof word === 'string');
}

const OWNER_KEYS: ReadonlySet<string> = new Set(ENTITY_IDS.flatMap((kind) => [kind, camelCase(kind)]));

/** Metadata is the client's own, but engines copy owner ids into it: those are restored, or left out. */
function withoutOwners(space: Namespace, metadata: { readonly [key: string]: unknown }): Json {
  if (!Object.keys(metadata).some((key) => OWNER_KEYS.has(key))) return metadata as JsonObject;
  const entries = Object.entries(metadata).flatMap(([key, value]): [string, Json][] => {
    if (!OWNER_KEYS.has(key)) return [[key, value as Json]];
    const id = typeof value === 'string' ? restore(space, value) : undefined;
    return id === undefined ? [] : [[key, id]];
  });
  return objectOf(entries);
}

/** The known fields of a row, as far as they hold what such a field can hold. */
export function pick(row: { readonly [field: string]: unknown }, fields: readonly string[]): Fields {
  const known: Fields = {};
  for (const name of fields) {
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    if (isPlain(value) || (name === 'score_details' && areNumbers(value))) known[name] = value as Json;
  }
  return known;
}

function isPlain(value: unknown): boolean {
  return (
    value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  );
}

/** A field that explains a score may hold numbers by name. */
function areNumbers(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((part) => typeof part === 'number');
}
