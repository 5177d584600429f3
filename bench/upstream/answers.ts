import { MEMORY_ID, memoryRow } from '../../tests/fakes/mem0.ts';

const OWNER = { user_id: 'acme:bob' };
const ROWS = 50;
/** Brings the row by id to about 1 KB. */
const LONG =
  'Drinks green tea in the morning, at four and with every meal, and has not had coffee since May. ';

const byId = { ...memoryRow(OWNER), memory: LONG.repeat(8).trim() };
const results = Array.from({ length: ROWS }, (_, i) =>
  memoryRow(OWNER, `${MEMORY_ID.slice(0, -4)}${i.toString(16).padStart(4, '0')}`),
);
const added = { results: [{ id: MEMORY_ID, memory: 'Drinks green tea.', event: 'ADD' }] };

/** What the constant upstream answers, by method and path without the query. */
export const ANSWERS: { readonly [request: string]: object } = {
  [`GET /memories/${MEMORY_ID}`]: byId,
  'GET /memories': { results: [] },
  'POST /search': { results },
  'POST /memories': added,
};
