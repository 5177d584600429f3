import * as z from 'zod/mini';
import { isUuid } from '../../../core/ids.ts';
import { date, message, metadata, reason, text } from './bodies.ts';

// The documented options of the Platform, with their types. Which of them a self-hosted origin cannot honour says
// bridge/unserved.ts. Any other key is unknown.

/** Which account and project: the operator's, never the client's. And forms of answers that are gone. */
const DROPPED = ['org_id', 'project_id', 'output_format', 'version', 'api_version', 'async_mode'] as const;

/** What a validated body no longer needs. */
export const DROPPED_KEYS: ReadonlySet<string> = new Set(DROPPED);

const dropped = () => Object.fromEntries(DROPPED.map((name) => [name, z.optional(z.unknown())]));

const owners = () => ({
  user_id: z.optional(z.string()),
  agent_id: z.optional(z.string()),
  run_id: z.optional(z.string()),
  app_id: z.optional(z.string()),
});

const flag = () => z.optional(z.boolean());
const word = () => text().check(z.maxLength(256));
const words = () => z.array(word()).check(z.minLength(1), z.maxLength(100));
/** Seconds since the epoch. */
const stamp = () => z.optional(z.int().check(z.minimum(0), z.maximum(253_402_300_799)));
/** Names of fields of a memory. */
const fields = () =>
  z.optional(
    z
      .array(z.string().check(z.regex(/^[a-z][a-z_]{0,63}$/, reason('not_a_choice'))))
      .check(z.minLength(1), z.maxLength(50)),
  );
const day = () => z.optional(date());

/** A category with what it is about. Its name is the caller's word, so what is wrong is said of all of it. */
const category = () => {
  const whole = z.record(word(), text());
  const fits = (value: unknown) => whole.safeParse(value).success;
  return z.record(z.string(), z.unknown()).check(z.refine(fits, reason('wrong_type')));
};

/** POST /v3/memories/add/ and its deprecated form. */
export const PLATFORM_ADD = z.lazy(() =>
  z.strictObject({
    ...dropped(),
    messages: z.union([text(), z.array(message()).check(z.minLength(1), z.maxLength(1000))]),
    ...owners(),
    metadata: metadata(),
    infer: flag(),
    expiration_date: day(),
    custom_instructions: z.optional(text()),
    custom_categories: z.optional(z.array(category()).check(z.minLength(1), z.maxLength(100))),
    prompt: z.optional(text()),
    timestamp: stamp(),
    immutable: flag(),
    includes: z.optional(text()),
    excludes: z.optional(text()),
    enable_graph: flag(),
  }),
);

const filtered = () => ({ ...dropped(), filters: z.optional(z.unknown()) });
const page = () => z.optional(z.int().check(z.minimum(1), z.maximum(1000)));
const pageSize = () => z.optional(z.int().check(z.minimum(1), z.maximum(200)));

/** POST /v3/memories/ and its deprecated form. */
export const PLATFORM_LIST = z.lazy(() =>
  z.strictObject({
    ...filtered(),
    page: page(),
    page_size: pageSize(),
    fields: fields(),
    keywords: z.optional(z.union([word(), words()])),
    categories: z.optional(words()),
    start_date: day(),
    end_date: day(),
  }),
);

const search = () =>
  z.strictObject({
    ...filtered(),
    query: text(),
    top_k: z.optional(z.int().check(z.minimum(1), z.maximum(1000))),
    threshold: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
    rerank: flag(),
    keyword_search: flag(),
    filter_memories: flag(),
    fields: fields(),
    categories: z.optional(words()),
  });

/** POST /v3/memories/search/ and its deprecated form. */
export const PLATFORM_SEARCH = z.lazy(search);

/** POST /v1/memories/search/, the deprecated form with ids beside the query. */
export const PLATFORM_V1_SEARCH = z.lazy(() => z.extend(search(), owners()));

/** POST /v1/feedback/. */
export const PLATFORM_FEEDBACK = z.lazy(() =>
  z.strictObject({
    ...dropped(),
    memory_id: z.string().check(z.refine(isUuid, reason('not_a_uuid'))),
    feedback: z.optional(z.nullable(z.enum(['POSITIVE', 'NEGATIVE', 'VERY_NEGATIVE']))),
    feedback_reason: z.optional(z.nullable(text())),
  }),
);

/** POST /v1/exports/: the schema says in which form the memories are given; as a text, too, as the Python client has it. */
export const PLATFORM_EXPORT = z.lazy(() =>
  z.strictObject({ ...filtered(), schema: z.union([text(), z.looseObject({})]) }),
);

/** POST /v1/exports/get/. */
export const PLATFORM_EXPORTED = z.lazy(() =>
  z.strictObject({
    ...dropped(),
    memory_export_id: z.string().check(z.refine(isUuid, reason('not_a_uuid'))),
  }),
);

/** POST /v1/summary/. */
export const PLATFORM_SUMMARY = z.lazy(() => z.strictObject(filtered()));

/** POST /v1/{users,agents,apps,runs}/. */
export const PLATFORM_ENTITY = z.lazy(() =>
  z.strictObject({ ...dropped(), ...owners(), metadata: metadata() }),
);

/** PUT /v1/memories/{id}/. */
export const PLATFORM_UPDATE = z.lazy(() =>
  z
    .strictObject({
      text: z.optional(text()),
      metadata: metadata(),
      expiration_date: z.optional(z.nullable(date())),
      timestamp: stamp(),
    })
    .check(z.refine((body) => Object.keys(body).length > 0, reason('nothing_to_change'))),
);

/** At most this many memories in one batch: each takes two calls to Mem0, of the thousand that a request may make. */
export const MAX_BATCH_IDS = 400;

const memoryId = () => z.string().check(z.refine(isUuid, reason('not_a_uuid')));
const batchOf = <T extends z.ZodMiniType<{ memory_id: string }>>(entry: T) =>
  z.strictObject({
    ...dropped(),
    memories: z.array(entry).check(
      z.minLength(1),
      z.maxLength(MAX_BATCH_IDS),
      z.refine(
        (all) => new Set(all.map((each) => each.memory_id)).size === all.length,
        reason('named_twice'),
      ),
    ),
  });

/** PUT /v1/batch/. */
export const PLATFORM_BATCH_UPDATE = z.lazy(() =>
  batchOf(z.strictObject({ memory_id: memoryId(), text: text() })),
);

/** DELETE /v1/batch/. */
export const PLATFORM_BATCH_DELETE = z.lazy(() => batchOf(z.strictObject({ memory_id: memoryId() })));
