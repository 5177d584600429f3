import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type Namespace, namespaced } from '../../core/ids.ts';
import type { PersonalValue } from '../audit/personal.ts';
import { operationById } from './catalogue/index.ts';
import type { Operation } from './catalogue/types.ts';
import { rebuildFilter } from './filters.ts';
import { objectOf } from './json.ts';
import type { UpstreamCall } from './upstream.ts';
import type { ValidRequest } from './validate.ts';

/** A request inside its tenant's namespace. */
export interface ScopedRequest {
  /** The call to Mem0, rebuilt from what was validated. */
  readonly call: UpstreamCall;
  /** Memory ids whose owner must be proven before the call. */
  readonly proves: readonly string[];
  /** The listing of what a delete by filter will remove, to be asked first; at most `most` rows come back. */
  readonly lists?: { readonly operation: Operation; readonly call: UpstreamCall; readonly most: number };
  /** The entity ids of the request as the client named them, for the record. */
  readonly entityIds: readonly PersonalValue[];
}

/** The most rows that the self-hosted server lists at once. */
const MOST_LISTED = 1000;

/**
 * Puts a request into its tenant's namespace: every id in query, body, filter and path is namespaced, and
 * path segments are percent-encoded again.
 * @throws Error for an operation that is not forwarded, or one that would go without an id of the tenant.
 */
export function scopeRequest(request: ValidRequest, space: Namespace): ScopedRequest {
  const { operation, params } = request;
  if (request.serve !== 'forward') throw new Error(`${operation.id} is not forwarded`);
  const own = ENTITY_IDS.flatMap((kind) => {
    const value = request.ids[kind];
    return value === undefined ? [] : [{ kind, value, scoped: namespaced(space, value) }];
  });
  const byIds = operation.scope === 'ids' || operation.scope === 'ids_listed';
  if (byIds && own.length === 0) throw new Error(`${operation.id} has no id to be scoped by`);
  const ids = own.map(({ kind, scoped }) => [kind, scoped] as const);
  const body = bodyOf(request, ids);
  return {
    call: {
      method: operation.method,
      path: pathOf(operation.path, params, space),
      query: queryOf(request, ids),
      ...(body === undefined ? {} : { body }),
    },
    proves: operation.scope === 'proven' ? [params.memory_id!] : [],
    ...(operation.scope === 'ids_listed' ? { lists: listing(ids) } : {}),
    entityIds: own.map(({ kind, value }) => ({ kind, value })),
  };
}

type Ids = readonly (readonly [string, string])[];

/** Whether an operation says that its entity ids sit in a place. */
function sitsIn(operation: Operation, place: 'query' | 'body' | 'body.filters'): boolean {
  return operation.ids.some((id) => id === place || id.startsWith(`${place}.`));
}

function queryOf({ operation, query }: ValidRequest, ids: Ids): [string, string][] {
  const own = sitsIn(operation, 'query') ? ids : [];
  return [...own, ...Object.entries(query)].map(([name, value]) => [name, value]);
}

/** Where a filter exists, the ids go into it and nowhere else: at the top level they would override it. */
function bodyOf({ operation, body, conditions }: ValidRequest, ids: Ids): Json | undefined {
  if (body === undefined) return undefined;
  const rest = Object.entries(body) as [string, Json][];
  if (sitsIn(operation, 'body.filters')) {
    return objectOf([...rest, ['filters', rebuildFilter(ids, conditions) as Json]]);
  }
  return objectOf(sitsIn(operation, 'body') ? [...rest, ...ids] : rest);
}

function pathOf(template: string, params: ValidRequest['params'], space: Namespace): string {
  return template.replace(/\{([a-z_]+)(?:=[a-z|]+)?\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`a path needs ${name}`);
    const segment = name === 'entity_id' ? namespaced(space, value) : value;
    // No encoding keeps these two from being steps of the path.
    if (segment === '.' || segment === '..') throw new Error(`${name} is a dot segment`);
    return encodeURIComponent(segment);
  });
}

/** Expired memories count too: a delete removes them as well. */
function listing(ids: Ids): NonNullable<ScopedRequest['lists']> {
  const operation = operationById('oss.memories.list');
  const query = [...ids, ['top_k', String(MOST_LISTED)], ['show_expired', 'true']] as const;
  return { operation, call: { method: 'GET', path: operation.path, query }, most: MOST_LISTED };
}
