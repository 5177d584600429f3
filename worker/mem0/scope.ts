import type { Json } from '../../core/canonical.ts';
import { ENTITY_IDS, type Namespace, namespaced } from '../../core/ids.ts';
import { type JsonObject, objectOf } from '../../core/json.ts';
import type { PersonalValue } from '../../core/personal.ts';
import { operationById } from './catalogue/index.ts';
import type { Dialect, Operation } from './catalogue/types.ts';
import { rebuildFilter } from './filters.ts';
import { idNodes, isBound } from './platform-filter.ts';
import { platformFilter, withOwners } from './scope-platform.ts';
import type { UpstreamCall } from './upstream.ts';
import type { ValidRequest } from './validate.ts';

/** A request inside its tenant's namespace. */
export interface ScopedRequest {
  /** The call to Mem0, rebuilt from what was validated. */
  readonly call: UpstreamCall;
  /** Memory ids whose owner must be proven before the call. */
  readonly proves: readonly string[];
  /** The listing of what a delete by filter will remove, to be asked first; at most `most` rows come back. */
  readonly lists?: {
    readonly operation: Operation;
    /** One call, or one for each page. */
    readonly calls: readonly UpstreamCall[];
    readonly most: number;
  };
  /** An export that must have been issued to the tenant. */
  readonly exported?: string;
  /** The entity ids of the request as the client named them, for the record. */
  readonly entityIds: readonly PersonalValue[];
}

/** The most rows that are listed before a delete; a self-hosted server lists no more at once. */
const MOST_LISTED = 1000;
/** The most rows of a page of the Platform. */
const PAGE = 200;

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
  const bound = own.length > 0 || (request.tree !== undefined && isBound(request.tree));
  if (byIds && !bound) throw new Error(`${operation.id} has no id to be scoped by`);
  const ids = own.map(({ kind, scoped }) => [kind, scoped] as const);
  const body = bodyOf(request, ids, space);
  return {
    call: {
      method: operation.method,
      path: pathOf(operation.path, params, space),
      query: queryOf(request, ids),
      ...(body === undefined ? {} : { body }),
    },
    proves: operation.scope === 'proven' ? memoriesOf(request) : [],
    ...(operation.scope === 'ids_listed' ? { lists: LISTINGS[operation.dialect](request, space, ids) } : {}),
    ...(operation.scope === 'export' ? { exported: request.body?.memory_export_id as string } : {}),
    entityIds: [...own, ...namedIn(request)].map(({ kind, value }) => ({ kind, value })),
  };
}

type Ids = readonly (readonly [string, string])[];

/** Whether an operation says that its entity ids sit in a place. */
function sitsIn(operation: Operation, place: 'query' | 'body' | 'body.filters'): boolean {
  return operation.ids.some((id) => id === place || id.startsWith(`${place}.`));
}

function queryOf({ operation, query }: ValidRequest, ids: Ids): [string, string][] {
  // A page of what everybody has is not a page of what the tenant has: all is asked for.
  if (operation.scope === 'none' && operation.dialect === 'platform') return [];
  const own = sitsIn(operation, 'query') ? ids : [];
  return [...own, ...Object.entries(query)].map(([name, value]) => [name, value]);
}

/** Where a filter exists, the ids go into it and nowhere else: at the top level they would override it. */
function bodyOf(request: ValidRequest, ids: Ids, space: Namespace): Json | undefined {
  const { operation, body: given } = request;
  if (given === undefined) return undefined;
  const body = operation.dialect === 'platform' ? withOwners(given) : given;
  const rest = Object.entries(body) as [string, Json][];
  if (sitsIn(operation, 'body.filters')) {
    // One deprecated form of the Platform takes them in both places.
    const top = operation.ids.includes('body.user_id') && operation.dialect === 'platform' ? ids : [];
    return objectOf([...rest, ...top, ['filters', filtersOf(request, ids, space) as Json]]);
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

function filtersOf(request: ValidRequest, ids: Ids, space: Namespace): JsonObject {
  return request.operation.dialect === 'platform'
    ? platformFilter(request, space)
    : rebuildFilter(ids, request.conditions);
}

/** The memories that a request names: in its path, in its body, or in the batch that this is. */
function memoriesOf({ params, body }: ValidRequest): readonly string[] {
  const batch = body?.memories as unknown as readonly { readonly memory_id: string }[] | undefined;
  if (batch) return batch.map(({ memory_id: id }) => id);
  return [params.memory_id ?? (body?.memory_id as string)];
}

/** The entity ids of a filter that are not those of every result. */
function namedIn({ tree, ids }: ValidRequest): readonly PersonalValue[] {
  const named = tree ? idNodes(tree) : [];
  return named.flatMap(({ field, oneOf }) =>
    oneOf.filter((id) => ids[field] !== id).map((value) => ({ kind: field, value })),
  );
}

/** Expired memories count too: a delete removes them as well. */
const LISTINGS: {
  readonly [D in Dialect]: (
    request: ValidRequest,
    space: Namespace,
    ids: Ids,
  ) => NonNullable<ScopedRequest['lists']>;
} = {
  oss: (_request, _space, ids) => {
    const operation = operationById('oss.memories.list');
    const query = [...ids, ['top_k', String(MOST_LISTED)], ['show_expired', 'true']] as const;
    return { operation, calls: [{ method: 'GET', path: operation.path, query }], most: MOST_LISTED };
  },
  platform: (request, space) => {
    const operation = operationById('platform.memories.list');
    const body = { filters: platformFilter(request, space) as Json };
    const calls = Array.from({ length: MOST_LISTED / PAGE }, (_, at) => ({
      ...{ method: 'POST', path: operation.path, body },
      query: [['page', String(at + 1)] as const, ['page_size', String(PAGE)] as const],
    }));
    return { operation, calls, most: MOST_LISTED };
  },
  governance: () => {
    throw new Error('the gateway lists nothing of its own');
  },
};
