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
      return Array.isArray(value) ? list(value) : object(canonicalMembers(value as JsonMembers));
    default:
      throw new TypeError(`canonical JSON holds no ${typeof value}`);
  }
}

function list(values: readonly Json[]): string {
  let out = '[';
  for (let i = 0; i < values.length; i++) out += (i > 0 ? ',' : '') + canonical(values[i] as Json);
  return `${out}]`;
}

type JsonMembers = { readonly [member: string]: Json | undefined };

/** The members of an object in their order, `"name":value` each, for whoever adds some of their own. @throws TypeError */
export function canonicalMembers(value: JsonMembers): string[] {
  const members: string[] = [];
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member !== undefined) members.push(`${text(name)}:${canonical(member)}`);
  }
  return members;
}

/**
 * The canonical text of an object with the members of two, which have no name in common. All their names are of ASCII
 * letters, digits and `_`: the quotation mark that closes a name sorts before each of these, so members sort as their
 * names do.
 */
export function canonicalObject(some: readonly string[], others: readonly string[] = []): string {
  const all: string[] = [];
  let next = 0;
  for (const member of some) {
    while (next < others.length && others[next]! < member) all.push(others[next++]!);
    all.push(member);
  }
  return object([...all, ...others.slice(next)]);
}

function object(members: readonly string[]): string {
  return `{${members.join(',')}}`;
}

/** Printable ASCII without quotation mark and backslash: what nearly every text of a record is. */
const PLAIN = /^[ !#-[\]-~]*$/;

function text(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new TypeError('canonical JSON holds no lone surrogates');
  return JSON.stringify(value);
}
