import * as z from 'zod/mini';
import { ZodMiniLazy, ZodMiniObject, type ZodMiniType } from 'zod/mini';
import type { $ZodIssue } from 'zod/v4/core';
import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type EntityIdKind, isUuid, parseId } from '../../core/ids.ts';
import { isObject, type JsonObject, objectOf } from '../../core/json.ts';
import { DROPPED_KEYS } from './catalogue/platform-bodies.ts';
import type { Dialect, Operation, OriginKind, QueryKind, Serve } from './catalogue/types.ts';
import { type EntityIds, type Filter, parseFilter } from './filters.ts';
import { checkMetadata } from './metadata.ts';
import { type FilterNode, isBound, parsePlatformFilter, requiredIds } from './platform-filter.ts';
import { type Checked, type Fault, fault, REASONS, type Reason } from './reasons.ts';

/**
 * A request that fits its operation. Where the operation is forwarded, everything in it was read and rebuilt,
 * and nothing is the client's object.
 */
export interface ValidRequest {
  readonly operation: Operation;
  /** How the tenant's Mem0 serves it. */
  readonly serve: Serve;
  /** Of the path: decoded and checked. */
  readonly params: { readonly [name: string]: string };
  /** The entity ids, wherever they stood, as the client names them. */
  readonly ids: EntityIds;
  /** The query without ids. */
  readonly query: { readonly [name: string]: string };
  /** The body without ids and filters; `undefined` where the operation takes none. */
  readonly body: JsonObject | undefined;
  /** Conditions of a search on metadata, in their order. */
  readonly conditions: Filter['members'];
  /** A filter of the Platform's grammar. */
  readonly tree?: FilterNode;
  /** What the request costs at the actor's gate: 1, or ⌈n/100⌉ for a batch of n memories. */
  readonly weight: number;
}

export type Validation =
  | { readonly ok: true; readonly request: ValidRequest }
  | ({ readonly ok: false; readonly in: 'query' | 'body' } & Fault);

/**
 * Holds a request against its operation's row: query keys and values, the body's schema, ids, metadata and
 * filters. Pure; the query's names are unique, `body` is the parsed JSON or `undefined` when there was none, `kind`
 * is what the tenant's Mem0 is.
 */
export function validateOperation(
  operation: Operation,
  params: { readonly [name: string]: string },
  query: readonly (readonly [string, string])[],
  body: unknown,
  kind: OriginKind,
): Validation {
  const serve = operation.serve[kind];
  // What is refused does not depend on anything that was sent.
  const spec = serve === 'refuse' ? { ...operation, query: 'any' as const, body: 'any' as const } : operation;
  const queried = checkQuery(spec, query);
  if (!queried.ok) return { ...queried, in: 'query' };
  const read = checkBody(spec, body);
  if (!read.ok) return { ...read, in: 'body' };
  const ids = { ...queried.value.ids, ...read.value.ids, ...idsOfPath(params) };
  const needsScope = operation.scope === 'ids' || operation.scope === 'ids_listed';
  const { body: rest, conditions, tree, weight } = read.value;
  if (needsScope && serve !== 'refuse' && Object.keys(ids).length === 0 && !(tree && isBound(tree))) {
    if (tree) return { ...fault('/filters', 'filter_scope'), in: 'body' };
    return { ...fault('', 'scope_required'), in: operation.body === 'none' ? 'query' : 'body' };
  }
  const request = {
    ...{ operation, serve, params, ids, query: queried.value.rest, body: rest, conditions, weight },
    ...(tree ? { tree } : {}),
  };
  return { ok: true, request };
}

/** An entity's path names its id: `/entities/user/bob` is `user_id` bob. */
function idsOfPath(params: { readonly [name: string]: string }): EntityIds {
  const { entity_type: type, entity_id: id } = params;
  const kind = ENTITY_IDS.find((name) => name === `${type}_id`);
  return kind === undefined || id === undefined ? {} : { [kind]: id };
}

interface CheckedQuery {
  readonly ids: EntityIds;
  readonly rest: { readonly [name: string]: string };
}

function checkQuery(
  { query: spec }: Operation,
  query: readonly (readonly [string, string])[],
): Checked<CheckedQuery> {
  if (spec === 'any') return { ok: true, value: { ids: {}, rest: {} } };
  const ids: { [K in EntityIdKind]?: string } = {};
  const rest: { [name: string]: string } = {};
  for (const [key, text] of query) {
    const kind = Object.hasOwn(spec, key) ? spec[key] : undefined;
    if (!kind) return fault('', 'unknown_query_key', known(Object.keys(spec)));
    if (kind.kind === 'ignored') continue;
    if (kind.kind === 'id') {
      const id = parseId(text);
      if (!id.ok) return fault(`/${key}`, id.reason);
      ids[key as EntityIdKind] = id.id;
    } else {
      const wrong = valueFault(kind, text);
      if (wrong) return fault(`/${key}`, wrong);
      rest[key] = text;
    }
  }
  return { ok: true, value: { ids, rest } };
}

function valueFault(kind: Exclude<QueryKind, { kind: 'id' | 'ignored' }>, text: string): Reason | undefined {
  switch (kind.kind) {
    case 'boolean':
      return text === 'true' || text === 'false' ? undefined : 'wrong_type';
    case 'integer':
      if (!/^(?:0|[1-9]\d{0,14})$/.test(text)) return 'wrong_type';
      return Number(text) < kind.min || Number(text) > kind.max ? 'out_of_range' : undefined;
    case 'choice':
      return kind.of.includes(text) ? undefined : 'not_a_choice';
    case 'time':
      return TIME.safeParse(text).success ? undefined : 'not_a_time';
    case 'uuid':
      return isUuid(text) ? undefined : 'not_a_uuid';
    case 'text':
      if (text === '') return 'empty';
      return text.length > kind.max ? 'too_large' : undefined;
  }
}

const TIME = z.iso.datetime({ offset: true });

interface CheckedBody {
  readonly ids: EntityIds;
  readonly body: JsonObject | undefined;
  readonly conditions: Filter['members'];
  readonly tree?: FilterNode;
  readonly weight: number;
}

const EMPTY: CheckedBody = { ids: {}, body: undefined, conditions: [], weight: 1 };

function checkBody({ body: spec, dialect }: Operation, body: unknown): Checked<CheckedBody> {
  if (spec === 'any') return { ok: true, value: EMPTY };
  if (spec === 'none') return body === undefined ? { ok: true, value: EMPTY } : fault('', 'body_refused');
  if (!isObject(body)) return fault('', 'body_required');
  const parsed = spec.safeParse(body);
  if (!parsed.success) return fromIssue(parsed.error.issues[0] as $ZodIssue, body, spec);
  const { filters, metadata, ...rest } = parsed.data as { readonly [name: string]: unknown };
  const filter = filters === undefined ? undefined : FILTERS[dialect](filters);
  if (filter && !filter.ok) return filter;
  const ids = takeIds(rest, filter?.value.ids ?? {});
  if (!ids.ok) return ids;
  const checked = metadata === undefined ? undefined : checkMetadata(metadata, '/metadata');
  if (checked && !checked.ok) return checked;
  const kept = Object.entries(rest).filter(([name]) => !LEFT_OUT.has(name));
  const value = objectOf([
    ...(kept as [string, Json][]),
    ...(checked ? [['metadata', checked.value] as const] : []),
  ]);
  const weight = Array.isArray(rest.memories) ? Math.ceil(rest.memories.length / 100) : 1;
  return {
    ok: true,
    value: {
      ...{ ids: ids.value, body: value, conditions: filter?.value.members ?? [], weight },
      ...(filter?.value.tree ? { tree: filter.value.tree } : {}),
    },
  };
}

/** Filters by their dialect's grammar. */
const FILTERS: {
  readonly [D in Dialect]: (value: unknown) => Checked<Filter & { readonly tree?: FilterNode }>;
} = {
  oss: (value) => parseFilter(value, '/filters'),
  platform: (value) => {
    const tree = parsePlatformFilter(value, '/filters');
    if (!tree.ok) return tree;
    return { ok: true, value: { ids: requiredIds(tree.value), members: [], tree: tree.value } };
  },
  governance: () => fault('/filters', 'unknown_body_key'),
};

/** Members of a body that the rest of the way does not see: ids have their own place. */
const LEFT_OUT: ReadonlySet<string> = new Set([...ENTITY_IDS, ...DROPPED_KEYS]);

/** The ids at the body's top level, together with those of its filter; both may name one only if they agree. */
function takeIds(body: { readonly [name: string]: unknown }, filtered: EntityIds): Checked<EntityIds> {
  const ids: { [K in EntityIdKind]?: string } = { ...filtered };
  for (const kind of ENTITY_IDS) {
    const text = body[kind];
    if (typeof text !== 'string') continue;
    const id = parseId(text);
    if (!id.ok) return fault(`/${kind}`, id.reason);
    if (filtered[kind] !== undefined && filtered[kind] !== id.id) return fault(`/${kind}`, 'ids_differ');
    ids[kind] = id.id;
  }
  return { ok: true, value: ids };
}

const CODES: { readonly [code: string]: Reason } = {
  invalid_type: 'wrong_type',
  invalid_value: 'wrong_type',
  invalid_format: 'wrong_type',
};

/** A schema's first issue. Its path holds only the schema's own names and positions. */
function fromIssue(issue: $ZodIssue, body: unknown, schema: ZodMiniType): { readonly ok: false } & Fault {
  const pointer = issue.path.map((part) => `/${String(part)}`).join('');
  if (Object.hasOwn(REASONS, issue.message)) return fault(pointer, issue.message as Reason);
  switch (issue.code) {
    case 'unrecognized_keys':
      return fault(pointer, 'unknown_body_key', pointer === '' ? known(membersOf(schema)) : '');
    case 'too_small':
      return fault(pointer, issue.origin === 'string' || issue.origin === 'array' ? 'empty' : 'out_of_range');
    case 'too_big':
      return fault(pointer, issue.origin === 'array' ? 'too_many' : 'out_of_range');
    default:
      return fault(
        pointer,
        at(body, issue.path) === undefined ? 'missing' : (CODES[issue.code] ?? 'wrong_type'),
      );
  }
}

function membersOf(schema: ZodMiniType): string[] {
  if (schema instanceof ZodMiniLazy) return membersOf(schema._zod.innerType as ZodMiniType);
  return schema instanceof ZodMiniObject ? Object.keys(schema.shape) : [];
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let found: unknown = value;
  for (const part of path) found = (found as { readonly [name: PropertyKey]: unknown } | undefined)?.[part];
  return found;
}

function known(names: readonly string[]): string {
  return names.length === 0 ? 'None is.' : `Known are ${names.join(', ')}.`;
}
