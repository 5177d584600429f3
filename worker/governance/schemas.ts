import * as z from 'zod/mini';
import { Resolved } from './personal-schemas.ts';
import { RoleName } from './requests.ts';

/**
 * What the governance API gives. These make the OpenAPI document, against which tests hold every answer; requests.ts has
 * what it takes.
 */

export const Leaf = z
  .string()
  .check(
    z.regex(/^[0-9a-f]{64}$/),
    z.describe(
      'RFC 6962 leaf hash of the record: SHA-256 over 0x00 and the UTF-8 bytes of `canonical`, hex.',
    ),
  );
export const Index = z.int().check(z.minimum(0), z.describe('Where the record stands in its log.'));
export const LogName = z.string().check(z.describe('A log: `<tenant>~<shard>~<epoch>`.'));
const Reasons = z.array(z.string()).check(z.describe('Reason codes, sorted.'));
const anyObject = z.record(z.string(), z.unknown());

export const StoredRecord = z
  .strictObject({
    log: LogName,
    index: Index,
    leaf: Leaf,
    canonical: z
      .string()
      .check(z.describe('The exact text that was hashed: the record as canonical JSON (RFC 8785).')),
    stored: z
      .enum(['postgres', 'log'])
      .check(z.describe('`postgres`: confirmed there. `log`: durable in the log, on its way to Postgres.')),
    resolved: z
      .optional(Resolved)
      .check(z.describe('With `resolve=true`: what the record’s tokens stand for.')),
  })
  .check(z.describe('A record, with what it takes to check its hash.'));

const PAGE_ENDS = {
  resolved: z
    .optional(Resolved)
    .check(z.describe('With `resolve=true`: what the tokens of this page stand for.')),
  logs: z
    .array(
      z.strictObject({
        log: LogName,
        complete_to: z
          .nullable(Index)
          .check(
            z.describe(
              'Every record of the log up to and with this index was looked at; null: none is there yet.',
            ),
          ),
        quarantined: z
          .int()
          .check(
            z.minimum(0),
            z.describe(
              'Records of the log that the database could only keep as bytes; read them by log and index.',
            ),
          ),
      }),
    )
    .check(z.describe('Every log of the tenant.')),
  next_cursor: z
    .nullable(z.string())
    .check(z.describe('Where the next page begins; null: this is the last one.')),
};

export const AuditPage = z.strictObject({
  records: z
    .array(
      z.strictObject({
        log: LogName,
        index: Index,
        leaf: Leaf,
        record: anyObject.check(z.describe('The record. See docs/audit.md for its members.')),
      }),
    )
    .check(z.describe('Newest first.')),
  ...PAGE_ENDS,
});

export const AuditEvents = z
  .strictObject({
    events: z
      .array(anyObject.check(z.describe('An event of OCSF 1.9. See docs/ocsf.md for what a record becomes.')))
      .check(z.describe('Newest first.')),
    ...PAGE_ENDS,
  })
  .check(z.describe('With `format=ocsf`.'));

export const WhoAmI = z.strictObject({
  principal: z.strictObject({
    issuer: z.string(),
    subject: z.string(),
    acting_party: z.nullable(z.string()).check(z.describe('Who acts for the subject (RFC 8693 `act.sub`).')),
    tenant: z.string(),
    roles: z.array(RoleName),
    session: z.nullable(z.string()),
    mfa: z.boolean(),
    expires_at: z.string().check(z.describe('When the token ends (RFC 3339).')),
  }),
  rate: z.strictObject({
    limit: z.int().check(z.describe('Requests in any window.')),
    remaining: z.int().check(z.describe('Requests that are left now, this one counted.')),
    window_seconds: z.number(),
    reset_seconds: z.int().check(z.describe('Until more can be had.')),
  }),
  policy: z.string().check(z.describe('Digest of the policy that decides.')),
  actions: z
    .array(z.strictObject({ action: z.string(), allow: z.boolean(), reasons: Reasons }))
    .check(z.describe('What the policy says of each action in the own tenant, as of now.')),
  operations: z.array(z.string()).check(z.describe('The operations that this caller may carry out here.')),
});

const Call = z.strictObject({
  method: z.string(),
  path: z.string(),
  query: z.string(),
  body: z.optional(z.unknown()),
});

export const Explanation = z.strictObject({
  answer: z
    .enum(['allowed', 'refused', 'public'])
    .check(z.describe('`public`: served to everyone, without identity and without a record.')),
  refusal: z
    .nullable(
      z.strictObject({
        status: z.int(),
        code: z.string(),
        reason: z.string(),
        pointer: z.nullable(z.string()),
        detail: z.string(),
      }),
    )
    .check(z.describe('How the request would be refused, as far as can be told without carrying it out.')),
  operation: z
    .nullable(
      z.strictObject({
        id: z.string(),
        dialect: z.string(),
        method: z.string(),
        path: z.string(),
        action: z.string(),
        access: z.string(),
        resource: z.string(),
        scope: z.string(),
        owner: z.string(),
        serve: z.string(),
        summary: z.string(),
      }),
    )
    .check(z.describe('The row of the catalogue; null: the request fits none.')),
  facts: z.nullable(anyObject).check(z.describe('What the policy is told.')),
  decision: z.nullable(
    z.strictObject({
      allow: z.boolean(),
      reasons: Reasons,
      obligations: anyObject,
      policy: z.string().check(z.describe('Digest of the policy that decided.')),
    }),
  ),
  listing: z
    .nullable(Call)
    .check(z.describe('What Mem0 would be asked first, to learn what a delete will touch.')),
  upstream: z
    .nullable(z.array(Call))
    .check(
      z.describe(
        'What Mem0 would be asked, inside the tenant’s namespace: one call, or one for each memory of a batch.',
      ),
    ),
  not_evaluated: z.array(z.enum(['ownership', 'rate', 'session'])),
});

export type AuditPageAnswer = z.infer<typeof AuditPage>;
export type AuditEventsAnswer = z.infer<typeof AuditEvents>;
export type StoredRecordAnswer = z.infer<typeof StoredRecord>;
export type WhoAmIAnswer = z.infer<typeof WhoAmI>;
export type ExplanationAnswer = z.infer<typeof Explanation>;

/** The members of a problem (RFC 9457), as every refusal has them. */
export const ProblemBody = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().check(z.describe('Stable; docs/errors.md lists every one.')),
  request_id: z.string(),
  pointer: z.optional(z.string()).check(z.describe('Where in the request the fault is (RFC 6901).')),
});
