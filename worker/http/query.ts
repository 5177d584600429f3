/** Why a query is not acceptable. */
export type QueryFault =
  | 'query_too_long'
  | 'too_many_parameters'
  /** `&&`, a leading or trailing `&`. */
  | 'empty_parameter'
  /** A parameter without `=`, or without a name before it. */
  | 'parameter_form'
  | 'query_character'
  | 'malformed_escape'
  | 'invalid_utf8'
  | 'control_character'
  | 'duplicate_parameter';

const MAX_QUERY = 8192;
const MAX_PARAMETERS = 50;

/** Why a query is not acceptable, as the caller reads it. */
export const QUERY_FAULTS: { readonly [F in QueryFault]: string } = {
  query_too_long: `The query is longer than ${MAX_QUERY} characters.`,
  too_many_parameters: `The query has more than ${MAX_PARAMETERS} parameters.`,
  empty_parameter: 'Between two & there is no parameter, or none before the first or behind the last.',
  parameter_form: 'A parameter is a name, = and a value.',
  query_character: 'A parameter has a character that must be percent-encoded.',
  malformed_escape: 'A % has to be followed by two hexadecimal digits.',
  invalid_utf8: 'What is percent-encoded is not UTF-8.',
  control_character: 'A parameter holds a control character.',
  duplicate_parameter: 'A parameter is there twice.',
};

export type Query =
  | { readonly ok: true; readonly entries: [key: string, value: string][] }
  /** `parameter` counts from 1. The name stays out: it is the caller's text. */
  | { readonly ok: false; readonly reason: QueryFault; readonly parameter?: number };

/** RFC 3986 §3.4 without `;`, which some parsers take for `&`. */
const ALLOWED = /^(?:[A-Za-z0-9._~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})*$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/**
 * Reads a raw query as application/x-www-form-urlencoded (`+` is a space), in the order sent. Names are
 * compared after decoding: parsers disagree on which of two equal names wins, so neither does.
 */
export function parseQuery(raw: string): Query {
  if (raw === '') return { ok: true, entries: [] };
  if (raw.length > MAX_QUERY) return { ok: false, reason: 'query_too_long' };
  const parameters = raw.split('&');
  if (parameters.length > MAX_PARAMETERS) return { ok: false, reason: 'too_many_parameters' };
  const seen = new Set<string>();
  const entries: [string, string][] = [];
  for (const [at, text] of parameters.entries()) {
    const read = parameter(text);
    if (typeof read === 'string') return { ok: false, reason: read, parameter: at + 1 };
    if (seen.has(read[0])) return { ok: false, reason: 'duplicate_parameter', parameter: at + 1 };
    seen.add(read[0]);
    entries.push(read);
  }
  return { ok: true, entries };
}

function parameter(text: string): [key: string, value: string] | QueryFault {
  if (text === '') return 'empty_parameter';
  if (!ALLOWED.test(text)) return BAD_ESCAPE.test(text) ? 'malformed_escape' : 'query_character';
  const mark = text.indexOf('=');
  if (mark < 1) return 'parameter_form';
  try {
    const key = decodeURIComponent(text.slice(0, mark).replaceAll('+', ' '));
    const value = decodeURIComponent(text.slice(mark + 1).replaceAll('+', ' '));
    return /\p{Cc}/u.test(key + value) ? 'control_character' : [key, value];
  } catch {
    return 'invalid_utf8';
  }
}
