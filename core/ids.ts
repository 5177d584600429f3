/** The entity ids of Mem0's dialects; `app_id` is the Platform's alone. */
export const ENTITY_IDS = ['user_id', 'agent_id', 'run_id', 'app_id'] as const;
export type EntityIdKind = (typeof ENTITY_IDS)[number];

/** At most this many UTF-16 code units in an entity id. */
const MAX_ID_LENGTH = 256;

export type IdFault =
  | 'id_malformed'
  | 'id_empty'
  | 'id_wildcard'
  | 'id_control_character'
  | 'id_white_space'
  | 'id_too_long';
export type ParsedId =
  | { readonly ok: true; readonly id: string }
  | { readonly ok: false; readonly reason: IdFault };

const EDGE_SPACE = /^\p{White_Space}+|\p{White_Space}+$/gu;
const SPACE = /\p{White_Space}/u;
const CONTROL = /\p{Cc}/u;
// Embeddings, overrides and isolates reorder what a reader of the record sees; U+FEFF is a stray byte order mark.
const INVISIBLE = /[\u202a-\u202e\u2066-\u2069\ufeff]/;

/**
 * An entity id as a client sent it, without the Unicode white space around it. Nothing else is changed: no
 * normalisation, no case folding.
 */
export function parseId(text: string): ParsedId {
  if (PLAIN.test(text) && text.length <= MAX_ID_LENGTH) return { ok: true, id: text };
  if (!text.isWellFormed()) return { ok: false, reason: 'id_malformed' };
  const id = text.replace(EDGE_SPACE, '');
  if (id === '') return { ok: false, reason: 'id_empty' };
  if (id === '*') return { ok: false, reason: 'id_wildcard' };
  if (CONTROL.test(id) || INVISIBLE.test(id)) return { ok: false, reason: 'id_control_character' };
  if (SPACE.test(id)) return { ok: false, reason: 'id_white_space' };
  if (id.length > MAX_ID_LENGTH) return { ok: false, reason: 'id_too_long' };
  return { ok: true, id };
}

const PLAIN = /^[A-Za-z0-9._~@-]+$/;
const ESCAPED = /^(?:[A-Za-z0-9._~@-]|%[0-9A-F]{2})+$/;

/** Where a tenant's ids stand among those of a Mem0. */
export interface Namespace {
  readonly tenant: string;
  /** The Mem0 is this tenant's alone, from before the gateway: every id in it is the tenant's, as it stands there. */
  readonly raw: boolean;
}

/** The namespace of a tenant that shares its Mem0, or could. */
export function pooled(tenant: string): Namespace {
  return { tenant, raw: false };
}

/**
 * `tenant:escaped-id`. A tenant has no `:`, so the first one splits; the escaped id keeps `A-Za-z0-9._~@-`
 * and has every other byte of its UTF-8 as `%XX`, so nothing in it can be a wildcard or a separator. A raw tenant's
 * ids stay as they are: `parseId` has refused what would be more than a name.
 */
export function namespaced({ tenant, raw }: Namespace, id: string): string {
  return raw ? id : `${tenant}:${escapeId(id)}`;
}

/** The id behind a namespaced value, or `undefined` when the value is not in this tenant's namespace. */
export function restore({ tenant, raw }: Namespace, value: string): string | undefined {
  if (raw) return value;
  const prefix = `${tenant}:`;
  if (!value.startsWith(prefix)) return undefined;
  const escaped = value.slice(prefix.length);
  if (PLAIN.test(escaped)) return escaped;
  if (!ESCAPED.test(escaped)) return undefined;
  try {
    const id = decodeURIComponent(escaped);
    return escapeId(id) === escaped ? id : undefined;
  } catch {
    return undefined;
  }
}

function escapeId(id: string): string {
  if (PLAIN.test(id)) return id;
  // encodeURIComponent leaves these five alone beyond the plain ones, and escapes the @ that is plain.
  return encodeURIComponent(id)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%40', '@');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A memory id, or another id that Mem0 mints: a UUID in its canonical lower-case form and no other. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
