import { type Namespace, restore } from '../../core/ids.ts';

/** At most this many characters of a text of Mem0's are passed on. */
export const MAX_TEXT = 300;

/** How much of a text is looked at: an id in it may become shorter when it is restored. */
const MAX_READ = 4096;

/**
 * A sentence of Mem0's for the tenant's eyes: namespaced ids as the client knows them, line breaks and
 * control characters as spaces, cut to `MAX_TEXT` UTF-16 code units.
 */
export function unscopeText(space: Namespace, text: string): string {
  const read = text.slice(0, MAX_READ);
  return withoutPrefix(space, read)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_TEXT)
    .toWellFormed();
}

/** A text with the tenant's namespaced ids as its clients know them. */
export function withoutPrefix(space: Namespace, text: string): string {
  if (space.raw) return text;
  const prefix = `${space.tenant}:`;
  const [first = '', ...parts] = text.split(prefix);
  let out = first;
  for (const part of parts) {
    // `a-b:x` is not in the namespace of `b`.
    const whole = !/[A-Za-z0-9._-]$/.test(out);
    const [escaped = ''] = /^[A-Za-z0-9._~@%-]*/.exec(part)!;
    out += whole ? restored(space, escaped) + part.slice(escaped.length) : prefix + part;
  }
  return out;
}

/** A namespaced value that is cut or malformed still loses its prefix. */
function restored(space: Namespace, escaped: string): string {
  return restore(space, `${space.tenant}:${escaped}`) ?? escaped;
}
