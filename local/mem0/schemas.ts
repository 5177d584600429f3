import * as z from 'zod';
import { HttpError } from './http.ts';

/** The bodies and queries of the dialect. Unknown members are dropped without a word, as the real server does. */

const optional = <T extends z.ZodType>(schema: T) => schema.nullish();
const owners = {
  user_id: optional(z.string()),
  agent_id: optional(z.string()),
  run_id: optional(z.string()),
};
const object = z.record(z.string(), z.unknown());

export const createBody = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  ...owners,
  metadata: optional(object),
  expiration_date: optional(z.string()),
  infer: optional(z.boolean()),
  memory_type: optional(z.string()),
});

export const searchBody = z.object({
  query: z.string(),
  filters: optional(object),
  top_k: optional(z.int().min(0)),
  threshold: optional(z.number()),
  explain: optional(z.boolean()),
  show_expired: optional(z.boolean()),
  ...owners,
});

export const updateBody = z.object({
  text: optional(z.string()),
  metadata: optional(object),
  expiration_date: optional(z.string()),
});

/** The most rows of a list; there are no pages. */
export const MOST_ROWS = 1000;

export const listQuery = z.object({
  ...owners,
  top_k: z.coerce.number().int().min(0).max(MOST_ROWS).optional(),
  show_expired: z.stringbool().optional(),
});

export const deleteQuery = z.object(owners);

export const configureBody = z.object({
  llm: z
    .object({
      config: z.object({
        openai_base_url: z.string().optional(),
        api_key: z.string().optional(),
        model: z.string().optional(),
      }),
    })
    .optional(),
});

export const instructionsBody = z.object({ use_case: z.string() });

/** @throws HttpError 422 with a list of what is wrong, as FastAPI writes it. */
export function parse<T>(schema: z.ZodType<T>, value: unknown, where: 'body' | 'query'): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpError(
    422,
    result.error.issues.map(({ code, path, message }) => ({
      type: code,
      loc: [where, ...path],
      msg: message,
    })),
  );
}
