import * as z from 'zod/mini';
import { TEXT_CONTROL } from '../../../core/json.ts';
import type { Reason } from '../reasons.ts';

// Each body is built once, when it is first needed, and its members with it: all of them together were a fifth of the start.
// Every object is strict, so an unknown key is refused and a pointer never holds a client's word. Ids, metadata and filters
// are only required to be there or not: their own files check them.

export const reason = (name: Reason): Reason => name;
export const text = () =>
  z.string().check(
    z.minLength(1),
    z.refine((value) => !TEXT_CONTROL.test(value), reason('control_character')),
  );
const entityIds = () => ({
  user_id: z.optional(z.string()),
  agent_id: z.optional(z.string()),
  run_id: z.optional(z.string()),
});
export const metadata = () => z.optional(z.unknown());
export const date = () => z.string().check(z.refine(isDate, reason('not_a_date')));

/** A message, in either dialect. */
export const message = () =>
  z.strictObject({
    role: z.string().check(z.regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, reason('not_a_role'))),
    content: text(),
  });

/** At most this many messages in one addition. */
const MAX_MESSAGES = 1000;

/** POST /memories. */
export const ADD = z.lazy(() =>
  z.strictObject({
    ...entityIds(),
    messages: z.array(message()).check(z.minLength(1), z.maxLength(MAX_MESSAGES)),
    metadata: metadata(),
    expiration_date: z.optional(date()),
    infer: z.optional(z.boolean()),
    memory_type: z.optional(z.literal('procedural_memory')),
    prompt: z.optional(text()),
  }),
);

/** POST /search. */
export const SEARCH = z.lazy(() =>
  z.strictObject({
    ...entityIds(),
    query: text(),
    filters: z.optional(z.unknown()),
    top_k: z.optional(z.int().check(z.minimum(0), z.maximum(1000))),
    threshold: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
    explain: z.optional(z.boolean()),
    show_expired: z.optional(z.boolean()),
  }),
);

/** PUT /memories/{id}: at least one of the three; a null date takes the date away. */
export const UPDATE = z.lazy(() =>
  z
    .strictObject({
      text: z.optional(text()),
      metadata: metadata(),
      expiration_date: z.optional(z.nullable(date())),
    })
    .check(z.refine((body) => Object.keys(body).length > 0, reason('nothing_to_change'))),
);

/** A day of the calendar, as `YYYY-MM-DD`. */
function isDate(value: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const date = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}
