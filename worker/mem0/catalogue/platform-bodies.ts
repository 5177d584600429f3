import * as z from 'zod';
import { isUuid } from '../../../core/ids.ts';
import { DATE, METADATA, ROLE, reason, TEXT } from './bodies.ts';

// The documented options of the Platform, with their types. Which of them a self-hosted origin cannot honour says
// bridge/unserved.ts. Any other key is unknown.

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
  app_id: z.string().optional(),
};

const MESSAGE = z.strictObject({ role: ROLE, content: TEXT });

const flag = z.boolean().optional();
const WORD = TEXT.max(256);
const WORDS = z.array(WORD).min(1).max(100);
/** Seconds since the epoch. */
const STAMP = z.int().min(0).max(253_402_300_799).optional();
/** Names of fields of a memory. */
const FIELDS = z
  .array(z.string().regex(/^[a-z][a-z_]{0,63}$/, reason('not_a_choice')))
  .min(1)
  .max(50)
  .optional();
const DAY = DATE.optional();

/** POST /v3/memories/add/ and its deprecated form. */
export const PLATFORM_ADD = z.strictObject({
  ...DROPPED,
  messages: z.union([TEXT, z.array(MESSAGE).min(1).max(1000)]),
  ...OWNERS,
  metadata: METADATA,
  infer: flag,
  expiration_date: DAY,
  custom_instructions: TEXT.optional(),
  custom_categories: z.array(z.record(WORD, TEXT)).min(1).max(100).optional(),
  prompt: TEXT.optional(),
  timestamp: STAMP,
  immutable: flag,
  includes: TEXT.optional(),
  excludes: TEXT.optional(),
  enable_graph: flag,
});

const FILTERED = { ...DROPPED, filters: z.unknown().optional() };
const page = z.int().min(1).max(1000).optional();
const pageSize = z.int().min(1).max(200).optional();

/** POST /v3/memories/ and its deprecated form. */
export const PLATFORM_LIST = z.strictObject({
  ...FILTERED,
  page,
  page_size: pageSize,
  fields: FIELDS,
  keywords: z.union([WORD, WORDS]).optional(),
  categories: WORDS.optional(),
  start_date: DAY,
  end_date: DAY,
});

/** POST /v3/memories/search/ and its deprecated form. */
export const PLATFORM_SEARCH = z.strictObject({
  ...FILTERED,
  query: TEXT,
  top_k: z.int().min(1).max(1000).optional(),
  threshold: z.number().min(0).max(1).optional(),
  rerank: flag,
  keyword_search: flag,
  filter_memories: flag,
  fields: FIELDS,
  categories: WORDS.optional(),
});

/** POST /v1/memories/search/, the deprecated form with ids beside the query. */
export const PLATFORM_V1_SEARCH = PLATFORM_SEARCH.extend(OWNERS);

/** POST /v1/feedback/. */
export const PLATFORM_FEEDBACK = z.strictObject({
  ...DROPPED,
  memory_id: z.string().refine(isUuid, reason('not_a_uuid')),
  feedback: z.enum(['POSITIVE', 'NEGATIVE', 'VERY_NEGATIVE']).nullable().optional(),
  feedback_reason: TEXT.nullable().optional(),
});

/** POST /v1/exports/: the schema says in which form the memories are given; as a text, too, as the Python client has it. */
export const PLATFORM_EXPORT = z.strictObject({ ...FILTERED, schema: z.union([TEXT, z.looseObject({})]) });

/** POST /v1/exports/get/. */
export const PLATFORM_EXPORTED = z.strictObject({
  ...DROPPED,
  memory_export_id: z.string().refine(isUuid, reason('not_a_uuid')),
});

/** POST /v1/summary/. */
export const PLATFORM_SUMMARY = z.strictObject(FILTERED);

/** POST /v1/{users,agents,apps,runs}/. */
export const PLATFORM_ENTITY = z.strictObject({ ...DROPPED, ...OWNERS, metadata: METADATA });

/** PUT /v1/memories/{id}/. */
export const PLATFORM_UPDATE = z
  .strictObject({
    text: TEXT.optional(),
    metadata: METADATA,
    expiration_date: DATE.nullable().optional(),
    timestamp: STAMP,
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
