import * as z from 'zod';
import { TEXT_CONTROL } from '../json.ts';
import type { Reason } from '../reasons.ts';

// Built once. Every object is strict, so an unknown key is refused and a pointer never holds a client's word.
// Ids, metadata and filters are only required to be there or not: their own files check them.

export const reason = (name: Reason): Reason => name;
export const TEXT = z
  .string()
  .min(1)
  .refine((value) => !TEXT_CONTROL.test(value), reason('control_character'));
const entityIds = {
  user_id: z.string().optional(),
  agent_id: z.string().optional(),
  run_id: z.string().optional(),
};
export const METADATA = z.unknown().optional();
export const DATE = z.string().refine(isDate, reason('not_a_date'));

export const ROLE = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, reason('not_a_role'));

/** At most this many messages in one addition. */
const MAX_MESSAGES = 1000;

/** POST /memories. */
export const ADD = z.strictObject({
  ...entityIds,
  messages: z
    .array(
      z.strictObject({
        role: ROLE,
        content: TEXT,
      }),
    )
    .min(1)
    .max(MAX_MESSAGES),
  metadata: METADATA,
  expiration_date: DATE.optional(),
  infer: z.boolean().optional(),
  memory_type: z.literal('procedural_memory').optional(),
  prompt: TEXT.optional(),
});

/** POST /search. */
export const SEARCH = z.strictObject({
  ...entityIds,
  query: TEXT,
  filters: z.unknown().optional(),
  top_k: z.int().min(0).max(1000).optional(),
  threshold: z.number().min(0).max(1).optional(),
  explain: z.boolean().optional(),
  show_expired: z.boolean().optional(),
});

/** PUT /memories/{id}: at least one of the three; a null date takes the date away. */
export const UPDATE = z
  .strictObject({ text: TEXT.optional(), metadata: METADATA, expiration_date: DATE.nullable().optional() })
  .refine((body) => Object.keys(body).length > 0, reason('nothing_to_change'));

/** A day of the calendar, as `YYYY-MM-DD`. */
function isDate(value: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const date = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}
