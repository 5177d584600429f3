import type { Json } from '../../../core/canonical.ts';
import { isObject, type JsonObject, objectOf } from '../../../core/json.ts';
import { Problem } from '../../problem.ts';
import { operationById } from '../catalogue/index.ts';
import { type FilterNode, idNodes } from '../platform-filter.ts';
import type { ValidRequest } from '../validate.ts';
import { type FilterRow, fulfils } from './fulfils.ts';
import { linkTo, pageOf } from './pages.ts';
import type { Translation } from './types.ts';
import { LEFT_OUT_OPTIONS } from './unserved.ts';

/** The most rows that a self-hosted server gives at once; with as many it may have more. */
const CANDIDATES = 1000;
const DEFAULT_TOP_K = 10;

/** Adding is done when the self-hosted server answers; the Platform would only have begun. */
export const add: Translation = {
  event: true,
  toOss: (request) => {
    const {
      messages,
      custom_instructions: instructions,
      ...rest
    } = request.body as {
      readonly messages: Json;
      readonly custom_instructions?: Json;
      readonly prompt?: Json;
    };
    if (instructions !== undefined && rest.prompt !== undefined) {
      throw new Problem('invalid_body', {
        reason: 'prompt_twice',
        decision: 'invalid_request',
        detail: 'Give prompt or custom_instructions, and not both.',
      });
    }
    const list = typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages;
    const prompt = instructions === undefined ? {} : { prompt: instructions };
    const kept = Object.entries(rest).filter(([name]) => !LEFT_OUT_OPTIONS.includes(name));
    return as('oss.memories.add', request, { body: { ...objectOf(kept), ...prompt, messages: list } });
  },
  fromOss: ([body], _request, { eventId }) => ({
    message: 'Memories added.',
    status: 'SUCCEEDED',
    event_id: eventId,
    results: resultsOf(body).map((row) => ({ ...row, data: { memory: row.memory ?? null } })),
  }),
};

/** All candidates are asked for, because the self-hosted server has no pages and filters by ids alone here. */
export const list: Translation = {
  toOss: (request) =>
    branches(request).map((each) => as('oss.memories.list', each, { query: { top_k: String(CANDIDATES) } })),
  fromOss: (bodies, request, { origin }) => {
    const rows = newestFirst(chosen(united(bodies), request.tree));
    const { page, size } = pageOf(request);
    const end = page * size;
    return {
      count: rows.length,
      next: end < rows.length ? linkTo(origin, request, page + 1, size) : null,
      previous: page > 1 ? linkTo(origin, request, page - 1, size) : null,
      results: shown(rows.slice(end - size, end), request),
    };
  },
};

/** Without pages: the deprecated listings answer a plain list. */
export const plainList: Translation = {
  toOss: list.toOss,
  fromOss: (bodies, request) => shown(chosen(united(bodies), request.tree), request),
};

export const search: Translation = {
  toOss: (request) => {
    const { query, threshold, top_k: topK } = request.body as { [name: string]: Json };
    const asked = isNarrow(request.tree) ? (topK ?? DEFAULT_TOP_K) : CANDIDATES;
    const body = { query: query!, top_k: asked, ...(threshold === undefined ? {} : { threshold }) };
    return branches(request).map((each) => as('oss.memories.search', each, { body }));
  },
  fromOss: (bodies, request) => {
    const most = (request.body?.top_k ?? DEFAULT_TOP_K) as number;
    const rows = isNarrow(request.tree) ? resultsOf(bodies[0]) : bestFirst(united(bodies), bodies.length);
    return { results: shown(chosen(rows, request.tree).slice(0, most), request) };
  },
};

/** The deprecated search answers a plain list. */
export const plainSearch: Translation = {
  toOss: search.toOss,
  fromOss: (bodies, request, carried) => {
    const { results } = search.fromOss(bodies, request, carried) as { results: Json };
    return results;
  },
};

/** The same request as one of the self-hosted dialect. */
export function as(
  id: string,
  request: ValidRequest,
  own: { readonly body?: JsonObject; readonly query?: ValidRequest['query'] } = {},
): ValidRequest {
  const { tree: _, ...rest } = request;
  const operation = operationById(id);
  return { ...rest, operation, serve: 'forward', body: own.body, query: own.query ?? {}, conditions: [] };
}

/** The most ids that one filter is asked by; each is a call. */
const BRANCHES = 20;

/**
 * The requests whose answers together hold every result: one within the ids that every result has or, where a result
 * has one of several, one for each of those.
 * @throws Problem when those are too many.
 */
function branches(request: ValidRequest): readonly ValidRequest[] {
  if (Object.keys(request.ids).length > 0 || request.tree === undefined) return [request];
  const named = idNodes(request.tree).flatMap(({ field, oneOf }) => oneOf.map((id) => [field, id] as const));
  const each = [...new Map(named.map(([field, id]) => [`${field} ${id}`, { [field]: id }])).values()];
  if (each.length <= BRANCHES) return each.map((ids) => ({ ...request, ids }));
  throw new Problem('not_served', {
    reason: 'too_many_candidates',
    detail: `A self-hosted Mem0 is asked once for each id that a result may have, and this filter names ${each.length}, of at most ${BRANCHES}.`,
  });
}

/** Whether Mem0 itself gives what the filter asks: it names ids that every result has, and nothing else. */
function isNarrow(tree: FilterNode | undefined): boolean {
  if (tree === undefined) return true;
  if (tree.kind === 'AND') return tree.of.every(isNarrow);
  return tree.kind === 'id' && tree.oneOf.length === 1;
}

function chosen(rows: readonly JsonObject[], tree: FilterNode | undefined): JsonObject[] {
  return rows.filter((row) => tree === undefined || fulfils(tree, row as FilterRow));
}

/** Pages are cut from what the server gives in an order of its own, which a change of any row may change. */
function newestFirst(rows: readonly JsonObject[]): JsonObject[] {
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const order = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1);
  return [...rows].sort(
    (a, b) => order(text(b.created_at), text(a.created_at)) || order(text(a.id), text(b.id)),
  );
}

/** Of each row the fields that were asked for; its id is always there. */
function shown(rows: readonly JsonObject[], { body }: ValidRequest): JsonObject[] {
  const fields = body?.fields as readonly string[] | undefined;
  if (fields === undefined) return [...rows];
  const kept = new Set(['id', ...fields]);
  return rows.map((row) =>
    objectOf(Object.entries(row).filter(([name]) => kept.has(name)) as [string, Json][]),
  );
}

/** Every row that any answer has, once. */
function united(bodies: readonly Json[]): readonly JsonObject[] {
  return [...new Map(bodies.flatMap(candidates).map((row) => [row.id, row])).values()];
}

/** Of several searches the rows by their scores; one search stands in Mem0's own order. */
function bestFirst(rows: readonly JsonObject[], searches: number): readonly JsonObject[] {
  const score = ({ score: value }: JsonObject) => (typeof value === 'number' ? value : 0);
  return searches === 1 ? rows : [...rows].sort((a, b) => score(b) - score(a));
}

/** All rows there are. @throws Problem when there may be more than were given. */
function candidates(body: Json | undefined): readonly JsonObject[] {
  const rows = resultsOf(body);
  if (rows.length < CANDIDATES) return rows;
  throw new Problem('not_served', {
    reason: 'too_many_candidates',
    detail: `More than ${CANDIDATES} memories have these ids, and a self-hosted Mem0 gives no more at once. Name more ids.`,
  });
}

function resultsOf(body: Json | undefined): readonly JsonObject[] {
  const results = isObject(body) ? (body as { readonly results?: unknown }).results : undefined;
  return Array.isArray(results) ? (results.filter(isObject) as JsonObject[]) : [];
}
