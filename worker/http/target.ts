import { isHost, MAX_HOST } from './host.ts';

export { isLoopbackHost } from './host.ts';

/** Why a request target or its Host is not acceptable. */
export type TargetFault =
  | 'host_missing'
  | 'host_malformed'
  /** The URL's authority is not the Host that was sent. */
  | 'host_mismatch'
  /** Neither `/path` nor `/path?query`. */
  | 'target_form'
  | 'target_too_long'
  | 'fragment'
  | 'control_character'
  | 'non_ascii'
  | 'backslash'
  | 'empty_segment'
  /** `.` or `..` as a segment, raw or encoded. */
  | 'dot_segment'
  /** A raw `;`: some servers cut a segment there, others do not. */
  | 'path_parameter'
  | 'path_character'
  | 'malformed_escape'
  | 'invalid_utf8'
  | 'encoded_separator'
  /** What decodes once to an escape that decodes again to something refused. */
  | 'nested_escape';

export type Target =
  | {
      readonly ok: true;
      /** As sent, still percent-encoded; equal to what `new URL` makes of it. */
      readonly path: string;
      /** Behind the first `?`, as sent; empty when there is none. */
      readonly query: string;
      /** Lower-case name or address, with the port when one was sent. */
      readonly host: string;
    }
  | { readonly ok: false; readonly reason: TargetFault };

/** Longest path and query together, in characters. */
export const MAX_TARGET = 8192;

/**
 * Checks Host and request target (RFC 9112 §3.2) on the raw string of `request.url`, which is scheme, Host
 * and target put together: no URL parser may see it first, because parsing folds `..` and `\` away. Host
 * comes first, because a Host with `/` or `?` in it moves the path.
 *
 * A segment holds RFC 3986 `pchar` without `;`. Its escapes must be UTF-8 and, decoded once, hold no
 * separator and no control character. `%25` is a literal percent, but escapes that are left after the first
 * decoding are held to the same rules, and no third level is let through: `%2540` passes, `%252e`, `%25%32%66`
 * and `%2525` do not.
 */
export function parseTarget(rawUrl: string, hostHeader: string | null): Target {
  if (hostHeader === null || hostHeader === '') return no('host_missing');
  if (!isHost(hostHeader)) return no('host_malformed');
  const scheme = rawUrl.startsWith('https://') ? 'https' : rawUrl.startsWith('http://') ? 'http' : undefined;
  if (scheme === undefined) return no('target_form');
  const host = hostHeader.toLowerCase();
  const start = scheme.length + 3;
  const end = authorityEnd(rawUrl, start);
  if (!sameAuthority(rawUrl.slice(start, end).toLowerCase(), host, scheme)) return no('host_mismatch');
  const target = rawUrl.slice(end);
  if (target.length > MAX_TARGET) return no('target_too_long');
  if (!target.startsWith('/')) return no('target_form');
  const raw = rawFault(target);
  if (raw) return no(raw);
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const fault = pathFault(path);
  return fault ? no(fault) : { ok: true, path, query: mark < 0 ? '' : target.slice(mark + 1), host };
}

function no(reason: TargetFault): Target {
  return { ok: false, reason };
}

/** Where the characters that a checked Host can have are over: a `*` behind it is no part of it. */
function authorityEnd(rawUrl: string, start: number): number {
  const rest = rawUrl.slice(start, start + MAX_HOST + 1);
  return start + /^[\w.:[\]-]*/.exec(rest)![0].length;
}

/** The edge may leave the scheme's own port out of the URL; nothing else may differ but case. */
function sameAuthority(authority: string, host: string, scheme: 'http' | 'https'): boolean {
  return authority === host || `${authority}:${scheme === 'https' ? 443 : 80}` === host;
}

function rawFault(target: string): TargetFault | undefined {
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code < 0x21 || code === 0x7f) return 'control_character';
    if (code > 0x7f) return 'non_ascii';
    if (code === 0x23) return 'fragment';
  }
  return undefined;
}

function pathFault(path: string): TargetFault | undefined {
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    // An empty last segment is the trailing slash of the Platform's paths.
    if (segment === '' && i < segments.length - 1) return 'empty_segment';
    const fault = segmentFault(segment);
    if (fault) return fault;
  }
  return undefined;
}

const PLAIN_SEGMENT = /^[A-Za-z0-9._~!$&'()*+,=:@-]*$/;
const ESCAPED_SEGMENT = /^(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*$/;

function segmentFault(segment: string): TargetFault | undefined {
  if (PLAIN_SEGMENT.test(segment)) return isDots(segment) ? 'dot_segment' : undefined;
  if (segment.includes('\\')) return 'backslash';
  if (segment.includes(';')) return 'path_parameter';
  if (!ESCAPED_SEGMENT.test(segment)) return BAD_ESCAPE.test(segment) ? 'malformed_escape' : 'path_character';
  const text = decode(segment);
  if (text === undefined) return 'invalid_utf8';
  if (isDots(text)) return 'dot_segment';
  if (/[/\\]/.test(text)) return 'encoded_separator';
  if (/\p{Cc}/u.test(text)) return 'control_character';
  return text.includes('%') && hidesMore(text) ? 'nested_escape' : undefined;
}

const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const ESCAPES = /(?:%[0-9A-Fa-f]{2})+/g;
/** What a second decoding may not bring out. */
const HIDDEN = /[%./\\;\p{Cc}]/u;

/** Whether decoding a second time brings out something refused, or makes up an escape for a third. */
function hidesMore(text: string): boolean {
  let hidden = false;
  const again = text.replace(ESCAPES, (run) => {
    const inner = decode(run);
    hidden ||= inner === undefined || HIDDEN.test(inner);
    return inner ?? '';
  });
  return hidden || /%[0-9A-Fa-f]{2}/.test(again);
}

/** Servers differ in whether they trim blanks and cut at `;`, so `.. ` and `..;x` count as `..`. */
function isDots(text: string): boolean {
  return /^\s*\.\.?\s*(?:;.*)?$/su.test(text);
}

/** Percent-decoding that refuses all that is not UTF-8: overlong forms, surrogates, cut sequences. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
