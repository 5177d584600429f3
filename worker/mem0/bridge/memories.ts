import type { Json } from '../../../core/canonical.ts';
import { Problem } from '../../problem.ts';
import { operationById } from '../catalogue/index.ts';
import { isObject, type JsonObject, objectOf } from '../json.ts';
import type { FilterNode } from '../platform-filter.ts';
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
  toOss: (request) => as('oss.memories.list', request, { query: { top_k: String(CANDIDATES) } }),
  fromOss: ([body], request, { origin }) => {
    const rows = newestFirst(chosen(candidates(body), request.tree));
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
  fromOss: ([body], request) => shown(chosen(candidates(body), request.tree), request),
};

export const search: Translation = {
  toOss: (request) => {
    const { query, threshold, top_k: topK } = request.body as { [name: string]: Json };
    const asked = isNarrow(request.tree) ? (topK ?? DEFAULT_TOP_K) : CANDIDATES;
    return as('oss.memories.search', request, {
      body: { query: query!, top_k: asked, ...(threshold === undefined ? {} : { threshold }) },
    });
  },
  fromOss: ([body], request) => {
    const most = (request.body?.top_k ?? DEFAULT_TOP_K) as number;
    const rows = isNarrow(request.tree) ? resultsOf(body) : candidates(body);
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
