import * as z from 'zod/mini';
import { PERSONAL_KINDS } from '../../core/personal.ts';

const Count = z
  .nullable(z.int().check(z.minimum(0)))
  .check(z.describe('null: the log is too large to be counted in time.'));

export const Erasure = z.strictObject({
  dry_run: z.boolean(),
  subjects: z
    .array(z.strictObject({ kind: z.enum(PERSONAL_KINDS), token: z.string(), records: Count }))
    .check(z.describe('The tokens that stand for the value, and how many records name each.')),
  copies: z
    .enum(['removed', 'pending', 'kept'])
    .check(
      z.describe('The encrypted copies in the database; `pending`: they go as soon as it can be reached.'),
    ),
  caches_until: z
    .nullable(z.string())
    .check(z.describe('Until then an isolate may still use the old token (RFC 3339).')),
  pseudonyms: z
    .nullable(z.strictObject({ key: z.string(), records: Count }))
    .check(
      z.describe(
        'Records from before there were tokens. Whoever holds that key can still confirm a guessed value; null: no such key.',
      ),
    ),
  recoverable: z
    .array(z.strictObject({ what: z.string(), until: z.nullable(z.string()) }))
    .check(
      z.describe('What could still bring the value back, and until when; null: as long as you keep it.'),
    ),
});

export const RetiredKey = z.strictObject({
  key: z.string(),
  configured: z
    .boolean()
    .check(z.describe('Whether the gateway still has this key: take it out of its secrets.')),
});

/** Tokens of an answer, and what they stand for. */
export const Resolved = z.record(z.string(), z.strictObject({ kind: z.string(), value: z.string() }));

export type ErasureAnswer = z.infer<typeof Erasure>;
export type RetiredKeyAnswer = z.infer<typeof RetiredKey>;
