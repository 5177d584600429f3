import type { Json } from '../../../core/canonical.ts';
import { isObject } from '../../../core/json.ts';
import type { ValidRequest } from '../validate.ts';
import type { Carried } from './types.ts';

const DEFAULT_PAGE_SIZE = 100;

/** In the query, where the official clients put it, or in the body. Pages count from 1. */
export function pageOf({ query, body }: ValidRequest): { readonly page: number; readonly size: number } {
  const page = Number(query.page ?? body?.page ?? 1);
  const size = Number(query.page_size ?? body?.page_size ?? DEFAULT_PAGE_SIZE);
  return { page, size };
}

/** A page of the same operation, at the gateway. */
export function linkTo(
  origin: Carried['origin'],
  { operation }: ValidRequest,
  page: number,
  size: number,
): string {
  return `${origin}${operation.path}?page=${page}&page_size=${size}`;
}

/**
 * A checked answer of the Platform as its client gets it: that there are other pages is its word, where they are is the
 * gateway's. Entities came all at once, because a page of everybody's is no page of the tenant's.
 */
export function linked(body: Json | undefined, request: ValidRequest, origin: Carried['origin']): Json {
  if (!isObject(body) || typeof body.next !== 'boolean') return body ?? null;
  const { page, size } = pageOf(request);
  const given = body as { readonly [member: string]: Json; readonly results: Json[] };
  const whole = request.operation.answer === 'entity_page';
  const next = whole ? page * size < given.results.length : given.next === true;
  const previous = whole ? page > 1 : given.previous === true;
  return {
    ...given,
    next: next ? linkTo(origin, request, page + 1, size) : null,
    previous: previous ? linkTo(origin, request, page - 1, size) : null,
    results: whole ? given.results.slice((page - 1) * size, page * size) : given.results,
  };
}
