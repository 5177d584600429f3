import * as z from 'zod';
import { ROLES } from '../../core/record.ts';
import { Resolved } from './personal-schemas.ts';

/**
 * What the governance API takes and gives. The same schemas validate requests, are the bodies of the catalogue's
 * rows, and make the OpenAPI document; tests hold every answer against them.
 */

const RoleName = z.enum(ROLES).describe('A role.');
export const Leaf = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('RFC 6962 leaf hash of the record: SHA-256 over 0x00 and the UTF-8 bytes of `canonical`, hex.');
export const Index = z.number().int().min(0).describe('Where the record stands in its log.');
export const LogName = z.string().describe('A log: `<tenant>~<shard>~<epoch>`.');
const Reasons = z.array(z.string()).describe('Reason codes, sorted.');
const anyObject = z.record(z.string(), z.unknown());

export const StoredRecord = z
  .strictObject({
    log: LogName,
    index: Index,
    leaf: Leaf,
    canonical: z
      .string()
      .describe('The exact text that was hashed: the record as canonical JSON (RFC 8785).'),
    stored: z
      .enum(['postgres', 'log'])
      .describe('`postgres`: confirmed there. `log`: durable in the log, on its way to Postgres.'),
    resolved: Resolved.optional().describe('With `resolve=true`: what the record’s tokens stand for.'),
  })
  .describe('A record, with what it takes to check its hash.');

const PAGE_ENDS = {
  resolved: Resolved.optional().describe('With `resolve=true`: what the tokens of this page stand for.'),
  logs: z
    .array(
      z.strictObject({
        log: LogName,
        complete_to: Index.nullable().describe(
          'Every record of the log up to and with this index was looked at; null: none is there yet.',
        ),
        quarantined: z
          .number()
          .int()
          .min(0)
          .describe(
            'Records of the log that the database could only keep as bytes; read them by log and index.',
          ),
      }),
    )
    .describe('Every log of the tenant.'),
  next_cursor: z.string().nullable().describe('Where the next page begins; null: this is the last one.'),
};

export const AuditPage = z.strictObject({
  records: z
    .array(
      z.strictObject({
        log: LogName,
        index: Index,
        leaf: Leaf,
        record: anyObject.describe('The record. See docs/audit.md for its members.'),
      }),
    )
    .describe('Newest first.'),
  ...PAGE_ENDS,
});

export const AuditEvents = z
  .strictObject({
    events: z
      .array(anyObject.describe('An event of OCSF 1.9. See docs/ocsf.md for what a record becomes.'))
      .describe('Newest first.'),
    ...PAGE_ENDS,
  })
  .describe('With `format=ocsf`.');

export const WhoAmI = z.strictObject({
  principal: z.strictObject({
    issuer: z.string(),
    subject: z.string(),
    acting_party: z.string().nullable().describe('Who acts for the subject (RFC 8693 `act.sub`).'),
    tenant: z.string(),
    roles: z.array(RoleName),
    session: z.string().nullable(),
    mfa: z.boolean(),
    expires_at: z.string().describe('When the token ends (RFC 3339).'),
  }),
  rate: z.strictObject({
    limit: z.number().int().describe('Requests in any window.'),
    remaining: z.number().int().describe('Requests that are left now, this one counted.'),
    window_seconds: z.number(),
    reset_seconds: z.number().int().describe('Until more can be had.'),
  }),
  policy: z.string().describe('Digest of the policy that decides.'),
  actions: z
    .array(z.strictObject({ action: z.string(), allow: z.boolean(), reasons: Reasons }))
    .describe('What the policy says of each action in the own tenant, as of now.'),
  operations: z.array(z.string()).describe('The operations that this caller may carry out here.'),
});

/** A request as it would be sent, and what of its caller a policy can see. The tenant is always the caller's own. */
export const ExplainRequest = z.strictObject({
  method: z
    .string()
    .regex(/^[A-Z]{1,16}$/)
    .describe('As in `GET`.'),
  path: z.string().min(1).max(8192).describe('Path and query, as they stand in a request.'),
  body: z.unknown().optional().describe('The JSON body, where there is one.'),
  roles: z.array(RoleName).min(1).max(4).describe('The roles of the described caller.'),
  mfa: z.boolean().optional().describe('Whether the described caller has a second factor; default false.'),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .nullable()
    .optional()
    .describe('Where it calls from, ISO 3166-1 alpha-2; default null.'),
  tls: z.enum(['TLSv1.2', 'TLSv1.3']).nullable().optional().describe('Default null.'),
});

const Call = z.strictObject({
  method: z.string(),
  path: z.string(),
  query: z.string(),
  body: z.unknown().optional(),
});

export const Explanation = z.strictObject({
  answer: z
    .enum(['allowed', 'refused', 'public'])
    .describe('`public`: served to everyone, without identity and without a record.'),
  refusal: z
    .strictObject({
      status: z.number().int(),
      code: z.string(),
      reason: z.string(),
      pointer: z.string().nullable(),
      detail: z.string(),
    })
    .nullable()
    .describe('How the request would be refused, as far as can be told without carrying it out.'),
  operation: z
    .strictObject({
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
    })
    .nullable()
    .describe('The row of the catalogue; null: the request fits none.'),
  facts: anyObject.nullable().describe('What the policy is told.'),
  decision: z
    .strictObject({
      allow: z.boolean(),
      reasons: Reasons,
      obligations: anyObject,
      policy: z.string().describe('Digest of the policy that decided.'),
    })
    .nullable(),
  listing: Call.nullable().describe('What Mem0 would be asked first, to learn what a delete will touch.'),
  upstream: z
    .array(Call)
    .nullable()
    .describe(
      'What Mem0 would be asked, inside the tenant’s namespace: one call, or one for each memory of a batch.',
    ),
  not_evaluated: z.array(z.enum(['ownership', 'rate', 'session'])),
});

export type AuditPageAnswer = z.infer<typeof AuditPage>;
export type AuditEventsAnswer = z.infer<typeof AuditEvents>;
export type StoredRecordAnswer = z.infer<typeof StoredRecord>;
export type WhoAmIAnswer = z.infer<typeof WhoAmI>;
export type ExplainBody = z.infer<typeof ExplainRequest>;
export type ExplanationAnswer = z.infer<typeof Explanation>;

/** The members of a problem (RFC 9457), as every refusal has them. */
export const ProblemBody = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string().describe('Stable; docs/errors.md lists every one.'),
  request_id: z.string(),
  pointer: z.string().optional().describe('Where in the request the fault is (RFC 6901).'),
});
