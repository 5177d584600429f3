/** A JSON value. Members that are `undefined` count as absent, as in JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [member: string]: Json | undefined };

/**
 * The canonical text of a JSON value (RFC 8785): members sorted by UTF-16 code units (§3.2.3), numbers and
 * strings as ECMAScript writes them (§3.2.2), no white space. Its UTF-8 bytes are what the audit log hashes.
 *
 * @throws TypeError on a number that is not finite, a lone surrogate (I-JSON, RFC 7493 §2.1) or anything
 *   that is not JSON.
 */
export function canonical(value: Json): string {
  switch (typeof value) {
    case 'string':
      return text(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('canonical JSON holds finite numbers only');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? list(value) : members(value as { readonly [member: string]: Json });
    default:
      throw new TypeError(`canonical JSON holds no ${typeof value}`);
  }
}

function list(values: readonly Json[]): string {
  let out = '[';
  for (let i = 0; i < values.length; i++) out += (i > 0 ? ',' : '') + canonical(values[i] as Json);
  return `${out}]`;
}

function members(object: { readonly [member: string]: Json | undefined }): string {
  let out = '{';
  for (const name of Object.keys(object).sort()) {
    const value = object[name];
    if (value === undefined) continue;
    out += `${out.length > 1 ? ',' : ''}${text(name)}:${canonical(value)}`;
  }
  return `${out}}`;
}

/** Printable ASCII without quotation mark and backslash: what nearly every text of a record is. */
const PLAIN = /^[ !#-[\]-~]*$/;

function text(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new TypeError('canonical JSON holds no lone surrogates');
  return JSON.stringify(value);
}
