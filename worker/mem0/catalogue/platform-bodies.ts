import { z } from 'zod';
import { isUuid } from '../../../core/ids.ts';
import type { Reason } from '../reasons.ts';
import { DATE, METADATA, ROLE, reason, TEXT } from './bodies.ts';

// Of the Platform's options those are listed that a self-hosted server can honour, those that change nothing in the
// result and are left out, and those that would change it and are refused. Any other key is unknown.

const refused = (name: Reason) => z.never(reason(name)).optional();
const unserved = refused('option_unserved');
const dropped = z.unknown().optional();

/** Which account and project: the operator's, never the client's. And forms of answers that are gone. */
const DROPPED = {
  org_id: dropped,
  project_id: dropped,
  output_format: dropped,
  version: dropped,
  api_version: dropped,
  async_mode: dropped,
};
/** The names in DROPPED, which a validated body no longer needs. */
export const DROPPED_KEYS: ReadonlySet<string> = new Set(Object.keys(DROPPED));

const OWNERS = {
  user_id: z.string().optional(),
  agent_id: z.string().optional(),
  run_id: z.string().optional(),
};

const MESSAGE = z.strictObject({ role: ROLE, content: TEXT });

/** POST /v3/memories/add/ and its deprecated form. */
export const PLATFORM_ADD = z.strictObject({
  ...DROPPED,
  messages: z.union([TEXT, z.array(MESSAGE).min(1).max(1000)]),
  ...OWNERS,
  app_id: unserved,
  metadata: METADATA,
  infer: z.boolean().optional(),
  expiration_date: DATE.optional(),
  custom_instructions: TEXT.optional(),
  custom_categories: unserved,
  prompt: TEXT.optional(),
  timestamp: unserved,
  immutable: unserved,
  includes: unserved,
  excludes: unserved,
  enable_graph: z.literal(false, reason('option_unserved')).optional(),
});

const FILTERED = { ...DROPPED, filters: z.unknown().optional() };
const page = z.int().min(1).max(1000).optional();
const pageSize = z.int().min(1).max(200).optional();

/** POST /v3/memories/ and its deprecated form. */
export const PLATFORM_LIST = z.strictObject({
  ...FILTERED,
  page,
  page_size: pageSize,
  fields: unserved,
  keywords: unserved,
  categories: unserved,
  start_date: unserved,
  end_date: unserved,
});

/** POST /v3/memories/search/ and its deprecated form. */
export const PLATFORM_SEARCH = z.strictObject({
  ...FILTERED,
  query: TEXT,
  top_k: z.int().min(1).max(1000).optional(),
  threshold: z.number().min(0).max(1).optional(),
  rerank: z.literal(false, reason('option_unserved')).optional(),
  keyword_search: z.literal(false, reason('option_unserved')).optional(),
  filter_memories: z.literal(false, reason('option_unserved')).optional(),
  fields: unserved,
  categories: unserved,
});

/** POST /v1/memories/search/, the deprecated form with ids beside the query. */
export const PLATFORM_V1_SEARCH = PLATFORM_SEARCH.extend({ ...OWNERS, app_id: unserved });

/** PUT /v1/memories/{id}/. */
export const PLATFORM_UPDATE = z
  .strictObject({
    text: TEXT.optional(),
    metadata: METADATA,
    expiration_date: DATE.nullable().optional(),
    timestamp: unserved,
  })
  .refine((body) => Object.keys(body).length > 0, reason('nothing_to_change'));

/** At most this many memories in one batch: each takes two calls to Mem0, of the thousand that a request may make. */
export const MAX_BATCH_IDS = 400;

const MEMORY_ID = z.string().refine(isUuid, reason('not_a_uuid'));
const batchOf = <T extends z.ZodType<{ memory_id: string }>>(entry: T) =>
  z.strictObject({
    ...DROPPED,
    memories: z
      .array(entry)
      .min(1)
      .max(MAX_BATCH_IDS)
      .refine((all) => new Set(all.map((each) => each.memory_id)).size === all.length, reason('named_twice')),
  });

/** PUT /v1/batch/. */
export const PLATFORM_BATCH_UPDATE = batchOf(z.strictObject({ memory_id: MEMORY_ID, text: TEXT }));

/** DELETE /v1/batch/. */
export const PLATFORM_BATCH_DELETE = batchOf(z.strictObject({ memory_id: MEMORY_ID }));
