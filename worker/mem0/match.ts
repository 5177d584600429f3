import { type IdFault, isUuid, parseId } from '../../core/ids.ts';
import { parseLogName } from '../../core/names.ts';
import { TREE } from './catalogue/index.ts';
import type { Node, SegmentClass } from './catalogue/tree.ts';
import type { Operation } from './catalogue/types.ts';

export type ParameterFault =
  | 'bad_escape'
  | 'encoded_separator'
  | 'memory_id_malformed'
  | 'event_id_malformed'
  | 'log_malformed'
  | 'index_malformed'
  | IdFault;

export type Match =
  | {
      readonly kind: 'row';
      readonly operation: Operation;
      /** Decoded once and checked; ids without the white space around them. */
      readonly params: { readonly [name: string]: string };
    }
  /** A row stands here, and a parameter of its path is not acceptable. */
  | { readonly kind: 'bad_parameter'; readonly reason: ParameterFault }
  /** Rows stand here, for other methods. */
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  | { readonly kind: 'unknown' };

/** A record's index, far below where numbers stop being exact. */
const INDEX = /^(?:0|[1-9]\d{0,14})$/;

const UNKNOWN: Match = { kind: 'unknown' };

/**
 * The one row for a request, by its raw path without the query. Literals are compared as they arrived, so an
 * escaped or differently cased spelling of one is unknown; a parameter is percent-decoded exactly once.
 */
export function match(method: string, path: string, tree: Node = TREE): Match {
  if (!path.startsWith('/')) return UNKNOWN;
  const params: { [name: string]: string } = {};
  let wrong: ParameterFault | undefined;
  let node = tree;
  for (const segment of path.slice(1).split('/')) {
    const child = node.literals.get(segment);
    if (child) {
      const name = node.words.get(segment);
      if (name !== undefined) params[name] = segment;
      node = child;
    } else if (node.class && segment !== '') {
      const { name, node: next } = node.class;
      const value = decode(name, segment);
      if (value.ok) params[name] = value.value;
      else wrong ??= value.reason;
      node = next;
    } else {
      return node.tail ? { kind: 'row', operation: node.tail, params: {} } : UNKNOWN;
    }
  }
  const operation = node.rows.get(method) ?? node.rows.get('*');
  if (operation) return wrong ? { kind: 'bad_parameter', reason: wrong } : { kind: 'row', operation, params };
  if (node.rows.size > 0) return { kind: 'method', allow: [...node.rows.keys()].sort() };
  return node.tail ? { kind: 'row', operation: node.tail, params: {} } : UNKNOWN;
}

type Decoded = { readonly ok: true; readonly value: string } | Refused;
interface Refused {
  readonly ok: false;
  readonly reason: ParameterFault;
}

function decode(name: SegmentClass, segment: string): Decoded {
  let text: string;
  try {
    text = segment.includes('%') ? decodeURIComponent(segment) : segment;
  } catch {
    return { ok: false, reason: 'bad_escape' };
  }
  if (/[/\\]/.test(text)) return { ok: false, reason: 'encoded_separator' };
  switch (name) {
    case 'memory_id':
      return isUuid(text) ? { ok: true, value: text } : { ok: false, reason: 'memory_id_malformed' };
    case 'event_id':
      return isUuid(text) ? { ok: true, value: text } : { ok: false, reason: 'event_id_malformed' };
    case 'log':
      return parseLogName(text) ? { ok: true, value: text } : { ok: false, reason: 'log_malformed' };
    case 'index':
      return INDEX.test(text) ? { ok: true, value: text } : { ok: false, reason: 'index_malformed' };
    case 'entity_id': {
      const id = parseId(text);
      return id.ok ? { ok: true, value: id.id } : id;
    }
  }
}
