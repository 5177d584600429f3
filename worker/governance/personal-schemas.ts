import * as z from 'zod';
import { ENTITY_IDS } from '../../core/ids.ts';
import { CLIENT_KINDS } from '../../core/personal.ts';

/** What a token of a record can stand for. */
export const KINDS = [...ENTITY_IDS, ...CLIENT_KINDS] as const;

export const ErasureRequest = z.strictObject({
  value: z.string().min(1).max(256).describe('The value that is to become unreadable. It is not recorded.'),
  kind: z
    .enum(KINDS)
    .optional()
    .describe('What it is; else it is looked for as the id of a user, agent, run or app.'),
  dry_run: z.boolean().describe('Whether to say only what would be done.'),
});

const Count = z
  .number()
  .int()
  .min(0)
  .nullable()
  .describe('null: the log is too large to be counted in time.');

export const Erasure = z.strictObject({
  dry_run: z.boolean(),
  subjects: z
    .array(z.strictObject({ kind: z.enum(KINDS), token: z.string(), records: Count }))
    .describe('The tokens that stand for the value, and how many records name each.'),
  copies: z
    .enum(['removed', 'pending', 'kept'])
    .describe('The encrypted copies in the database; `pending`: they go as soon as it can be reached.'),
  caches_until: z
    .string()
    .nullable()
    .describe('Until then an isolate may still use the old token (RFC 3339).'),
  pseudonyms: z
    .strictObject({ key: z.string(), records: Count })
    .nullable()
    .describe(
      'Records from before there were tokens. Whoever holds that key can still confirm a guessed value; null: no such key.',
    ),
  recoverable: z
    .array(z.strictObject({ what: z.string(), until: z.string().nullable() }))
    .describe('What could still bring the value back, and until when; null: as long as you keep it.'),
});

export const RetiredKeyRequest = z.strictObject({
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,16}$/)
    .describe('The id of a pseudonym key: what pseudonyms begin with.'),
});

export const RetiredKey = z.strictObject({
  key: z.string(),
  configured: z.boolean().describe('Whether the gateway still has this key: take it out of its secrets.'),
});

/** Tokens of an answer, and what they stand for. */
export const Resolved = z.record(z.string(), z.strictObject({ kind: z.string(), value: z.string() }));

export type ErasureAnswer = z.infer<typeof Erasure>;
export type RetiredKeyAnswer = z.infer<typeof RetiredKey>;
