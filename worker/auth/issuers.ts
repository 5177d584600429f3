import * as z from 'zod';
import { TENANT_ID } from '../../core/names.ts';
import { ROLES } from '../../core/record.ts';

/** Signatures of the identity provider's own: nothing symmetric, and never `none` (RFC 8725 §3.1, §3.2). */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** A claim's path: `realm_access.roles`, or a list where a name itself has dots, as in a URL. */
const path = z.union([
  z
    .string()
    .regex(/^[^.]+(\.[^.]+)*$/, 'is not a dotted path')
    .transform((text) => text.split('.')),
  z.array(z.string().min(1)).min(1),
]);

/** What may be asserted: a list, or `*` alone. */
const assertable = (one: z.ZodType<string>) => z.union([z.tuple([z.literal('*')]), z.array(one).min(1)]);

/** A `typ` header in one spelling: any case is the same, `application/` may be left out (RFC 7515 §4.1.9). */
export function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

const issuer = z.strictObject({
  issuer: z.url({ protocol: /^https?$/, error: 'is not an http(s) URL' }),
  audience: z.string().min(1),
  /** config.ts adds what the transport requires of it. */
  jwks_url: z
    .url({ protocol: /^https?$/, error: 'is not an http(s) URL' })
    .refine((text) => !URL.parse(text)?.username && !text.includes('#'), 'has a user or a fragment'),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1),
  /**
   * Accepted `typ` headers; RFC 9068 §4 wants `at+jwt`, Keycloak and others still send `JWT`. `null` accepts a header
   * without one, as Okta's are.
   */
  typ: z.array(z.string().min(1).transform(mediaType).nullable()).min(1).default(['at+jwt', 'jwt']),
  claims: z
    .strictObject({
      tenant: path.default(['tenant_id']),
      roles: path.default(['realm_access', 'roles']),
      session: path.default(['sid']),
    })
    .default({ tenant: ['tenant_id'], roles: ['realm_access', 'roles'], session: ['sid'] }),
  /**
   * Values of `amr` (RFC 8176 §2) or `acr` that count as multi-factor: said outright, or by something that the
   * user has. `swk` is not among them: software on the same machine is no second factor.
   */
  mfa: z.array(z.string().min(1)).default(['mfa', 'otp', 'hwk', 'sc']),
  tenants: assertable(z.string().regex(TENANT_ID, 'is no tenant id')),
  roles: assertable(z.enum(ROLES as [string, ...string[]])),
});

/** The issuers of a deployment, each with the tenants and roles that it may assert. */
export const issuersSchema = z
  .array(issuer)
  .min(1)
  .refine((all) => new Set(all.map((one) => one.issuer)).size === all.length, 'names an issuer twice');

export type IssuerConfig = z.infer<typeof issuer>;
