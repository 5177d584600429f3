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
