import type { Json } from '../../core/canonical.ts';
import { isObject, type JsonObject, objectOf, TEXT_CONTROL, UNSAFE_NAMES } from '../../core/json.ts';
import { type Checked, fault, type Reason } from './reasons.ts';

/**
 * Fields that Mem0 keeps beside the client's metadata in one flat row, in both spellings of its engines. As a
 * metadata key each would forge a field, or break every read over the row for all who share a scope with it.
 */
const OWN_FIELDS = [
  'data',
  'hash',
  'created_at',
  'updated_at',
  'user_id',
  'agent_id',
  'run_id',
  'app_id',
  'actor_id',
  'role',
  'attributed_to',
  'expiration_date',
  'text_lemmatized',
  'linked_memory_ids',
] as const;

/** `user_id` as `userId`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const SHADOWS: ReadonlySet<string> = new Set(OWN_FIELDS.flatMap((name) => [name, camelCase(name)]));

/** Whether a key is one of the fields that Mem0 itself keeps. */
export function shadowsField(key: string): boolean {
  return SHADOWS.has(key);
}

const MAX_DEPTH = 8;
const MAX_VALUES = 1000;
const MAX_KEY_LENGTH = 128;

/**
 * The metadata of a memory, rebuilt. A shadowing key is refused at the top level only, where it shadows.
 * @returns a fault whose pointer names a key only if it is one of Mem0's own.
 */
export function checkMetadata(value: unknown, pointer: string): Checked<JsonObject> {
  if (!isObject(value)) return fault(pointer, 'wrong_type');
  const shadow = Object.keys(value).find(shadowsField);
  if (shadow !== undefined) return fault(`${pointer}/${shadow}`, 'metadata_shadows');
  const budget = { values: MAX_VALUES };
  const copied = copy(value, 1, budget);
  return copied.ok
    ? { ok: true, value: copied.value as JsonObject }
    : fault(pointer, copied.reason, copied.reason === 'metadata_key' ? KEY_RULE : '');
}

const KEY_RULE = `A key has 1 to ${MAX_KEY_LENGTH} characters and no control characters.`;

type Copied = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly reason: Reason };

function copy(value: unknown, depth: number, budget: { values: number }): Copied {
  budget.values -= 1;
  if (budget.values < 0) return { ok: false, reason: 'too_large' };
  switch (typeof value) {
    case 'string':
      return TEXT_CONTROL.test(value) || !value.isWellFormed()
        ? { ok: false, reason: 'control_character' }
        : { ok: true, value };
    case 'number':
      return Number.isFinite(value) ? { ok: true, value } : { ok: false, reason: 'wrong_type' };
    case 'boolean':
      return { ok: true, value };
    default:
      if (value === null) return { ok: true, value };
      if (typeof value !== 'object') return { ok: false, reason: 'wrong_type' };
      if (depth > MAX_DEPTH) return { ok: false, reason: 'too_deep' };
      return Array.isArray(value) ? copyList(value, depth, budget) : copyObject(value, depth, budget);
  }
}

function copyList(list: readonly unknown[], depth: number, budget: { values: number }): Copied {
  const out: Json[] = [];
  for (const entry of list) {
    const copied = copy(entry, depth + 1, budget);
    if (!copied.ok) return copied;
    out.push(copied.value);
  }
  return { ok: true, value: out };
}

function copyObject(object: object, depth: number, budget: { values: number }): Copied {
  const out: [string, Json][] = [];
  for (const [key, entry] of Object.entries(object)) {
    if (!isKey(key)) return { ok: false, reason: 'metadata_key' };
    const copied = copy(entry, depth + 1, budget);
    if (!copied.ok) return copied;
    out.push([key, copied.value]);
  }
  return { ok: true, value: objectOf(out) };
}

function isKey(key: string): boolean {
  if (key === '' || key.length > MAX_KEY_LENGTH || UNSAFE_NAMES.has(key)) return false;
  return key.isWellFormed() && !/\p{Cc}/u.test(key);
}
