import * as z from 'zod/mini';
import { PERSONAL_KINDS } from '../../core/personal.ts';
import { ROLES } from '../../core/record.ts';

/** What the governance API takes: the bodies of the catalogue's rows, which the OpenAPI document shows, too. */

export const RoleName = z.enum(ROLES).check(z.describe('A role.'));

/** A request as it would be sent, and what of its caller a policy can see. The tenant is always the caller's own. */
export const ExplainRequest = z.lazy(() =>
  z.strictObject({
    method: z.string().check(z.regex(/^[A-Z]{1,16}$/), z.describe('As in `GET`.')),
    path: z
      .string()
      .check(z.minLength(1), z.maxLength(8192), z.describe('Path and query, as they stand in a request.')),
    body: z.optional(z.unknown()).check(z.describe('The JSON body, where there is one.')),
    roles: z
      .array(RoleName)
      .check(z.minLength(1), z.maxLength(4), z.describe('The roles of the described caller.')),
    mfa: z
      .optional(z.boolean())
      .check(z.describe('Whether the described caller has a second factor; default false.')),
    country: z
      .optional(z.nullable(z.string().check(z.regex(/^[A-Z]{2}$/))))
      .check(z.describe('Where it calls from, ISO 3166-1 alpha-2; default null.')),
    tls: z.optional(z.nullable(z.enum(['TLSv1.2', 'TLSv1.3']))).check(z.describe('Default null.')),
  }),
);

export type ExplainBody = z.infer<typeof ExplainRequest>;

export const ErasureRequest = z.lazy(() =>
  z.strictObject({
    value: z
      .string()
      .check(
        z.minLength(1),
        z.maxLength(256),
        z.describe('The value that is to become unreadable. It is not recorded.'),
      ),
    kind: z
      .optional(z.enum(PERSONAL_KINDS))
      .check(z.describe('What it is; else it is looked for as the id of a user, agent, run or app.')),
    dry_run: z.boolean().check(z.describe('Whether to say only what would be done.')),
  }),
);

export const RetiredKeyRequest = z.lazy(() =>
  z.strictObject({
    key: z
      .string()
      .check(
        z.regex(/^[A-Za-z0-9_-]{1,16}$/),
        z.describe('The id of a pseudonym key: what pseudonyms begin with.'),
      ),
  }),
);

export const HoldRequest = z.lazy(() =>
  z.strictObject({
    held: z
      .boolean()
      .check(z.describe('Whether the tenant’s records are kept from being archived from now on.')),
    reason: z
      .string()
      .check(z.minLength(1), z.maxLength(500), z.describe('Why; for those who ask later. No personal data.')),
  }),
);

/** The whole request body of a cosignature, in bytes. */
export const MAX_COSIGNATURE_BYTES = 4096;

export const CosignatureBody = z.lazy(() =>
  z.strictObject({
    note: z
      .string()
      .check(
        z.maxLength(MAX_COSIGNATURE_BYTES),
        z.describe('The checkpoint with the signature line (cosignature/v1) of a configured witness.'),
      ),
  }),
);
