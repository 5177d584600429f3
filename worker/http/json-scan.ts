import { UNSAFE_NAMES } from '../../core/json.ts';

/** What the scan finds in text that may well be JSON in its grammar. */
export type ScanFault =
  | 'too_deep'
  | 'too_many_values'
  | 'duplicate_name'
  | 'forbidden_name'
  | 'lone_surrogate'
  | 'nul_character'
  | 'number_out_of_range';

/** A container that is open. `names` is absent for an array; `name` and `index` say where the scan is. */
interface Frame {
  readonly names: Set<string> | undefined;
  /** The next string is a name. */
  expectsName: boolean;
  name: string;
  index: number;
}

/** What a body's own members are called; those of every operation that is served (a test holds the two together). */
export const MEMBERS: ReadonlySet<string> = new Set(
  `agent_id api_version app_id async_mode body categories country custom_categories custom_instructions dry_run
  enable_graph end_date excludes expiration_date explain feedback feedback_reason fields filter_memories filters held
  immutable includes infer key keyword_search keywords kind memories memory_export_id memory_id memory_type messages
  metadata method mfa note org_id output_format page page_size path project_id prompt query reason rerank roles run_id
  schema show_expired start_date text threshold timestamp tls top_k user_id value version`.split(/\s+/),
);

const [QUOTE, COMMA, MINUS, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE] = [
  0x22, 0x2c, 0x2d, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
];

/**
 * One pass over JSON text for what `JSON.parse` lets through. On text that is JSON it is exact; on any other
 * it ends without throwing, and `JSON.parse` refuses it afterwards. Work and memory are bounded by the text
 * and the limits.
 *
 * The pointer (RFC 6901) names the body's own members, the known ones. Any other name is written `*`, because it may be
 * the caller's data, and the pointer goes into a log from which nothing can be taken out.
 */
export function scanJson(
  text: string,
  limits: { readonly depth: number; readonly nodes: number },
): { readonly reason: ScanFault; readonly pointer: string } | undefined {
  const open: Frame[] = [];
  let top: Frame | undefined;
  let nodes = 0;
  const fault = (reason: ScanFault) => ({ reason, pointer: pointerTo(open) });
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const string = readString(text, at, end);
      if (typeof string !== 'string') return fault(string.fault);
      if (top?.names && top.expectsName) {
        top.name = string;
        top.expectsName = false;
        if (UNSAFE_NAMES.has(string)) return fault('forbidden_name');
        if (top.names.has(string)) return fault('duplicate_name');
        top.names.add(string);
      } else if (++nodes > limits.nodes) return fault('too_many_values');
      at = end;
    } else if (code === COMMA) {
      if (top) {
        top.expectsName = true;
        top.name = '';
        top.index++;
      }
    } else if (code === OPEN || code === OPEN_LIST) {
      if (++nodes > limits.nodes) return fault('too_many_values');
      if (open.length >= limits.depth) return fault('too_deep');
      top = { names: code === OPEN ? new Set() : undefined, expectsName: true, name: '', index: 0 };
      open.push(top);
    } else if (code === CLOSE || code === CLOSE_LIST) {
      open.pop();
      top = open.at(-1);
    } else if (code === MINUS || (code >= 0x30 && code <= 0x39)) {
      const end = numberEnd(text, at);
      if (++nodes > limits.nodes) return fault('too_many_values');
      if (!isExact(text, at, end)) return fault('number_out_of_range');
      at = end - 1;
    } else if (code === 0x74 || code === 0x66 || code === 0x6e) {
      // t, f, n: only the first letter of a literal is met here, the others are passed over below.
      if (++nodes > limits.nodes) return fault('too_many_values');
      at += code === 0x66 ? 4 : 3;
    }
  }
  return undefined;
}

/** The index of the closing quote, or the text's last index when there is none. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let back = end;
    while (text.charCodeAt(back - 1) === BACKSLASH) back--;
    if ((end - back) % 2 === 0) return end;
  }
  return text.length - 1;
}

/** The string between the quotes with its escapes resolved; one that is no JSON is left to `JSON.parse`. */
function readString(
  text: string,
  start: number,
  end: number,
): string | { readonly fault: 'lone_surrogate' | 'nul_character' } {
  const raw = text.slice(start + 1, end);
  if (!raw.includes('\\')) return raw;
  let string: string;
  try {
    string = JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw;
  }
  // Neither can stand raw in valid JSON made from UTF-8, so both come from escapes only.
  if (string.includes('\0')) return { fault: 'nul_character' };
  return string.isWellFormed() ? string : { fault: 'lone_surrogate' };
}

function numberEnd(text: string, start: number): number {
  let end = start + 1;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    const part = (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x65 || code === 0x45;
    if (!part && code !== 0x2b && code !== MINUS) break;
  }
  return end;
}

/**
 * Whether a double holds the number: finite, not rounded to zero, and as a whole number not beyond 2^53 - 1
 * (RFC 7493 §2.2), where writing it again would change it.
 */
function isExact(text: string, start: number, end: number): boolean {
  if (end - start <= 15) {
    const short = text.slice(start, end);
    return !/[eE]/.test(short) || inRange(short);
  }
  return inRange(text.slice(start, end));
}

function inRange(literal: string): boolean {
  const value = Number(literal);
  if (Number.isNaN(value)) return true; // not a number in JSON either: left to `JSON.parse`
  if (!Number.isFinite(value)) return false;
  if (/^-?\d+$/.test(literal)) return Number.isSafeInteger(value);
  return value !== 0 || !/[1-9]/.test(literal.replace(/[eE].*$/, ''));
}

function pointerTo(open: readonly Frame[]): string {
  let out = '';
  for (const [depth, { names, name, index }] of open.entries()) {
    const named = depth === 0 && MEMBERS.has(name) ? name : '*';
    out += `/${names ? named : index}`;
  }
  return out;
}
