import * as z from 'zod/mini';
import { TENANT_ID } from '../../core/names.ts';
import { ROLES } from '../../core/record.ts';

/** Signatures of the identity provider's own: nothing symmetric, and never `none` (RFC 8725 §3.1, §3.2). */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** A claim's path: `realm_access.roles`, or a list where a name itself has dots, as in a URL. */
const path = z.union([
  z.pipe(
    z.string().check(z.regex(/^[^.]+(\.[^.]+)*$/, 'is not a dotted path')),
    z.transform((text) => text.split('.')),
  ),
  z.array(z.string().check(z.minLength(1))).check(z.minLength(1)),
]);

/** What may be asserted: a list, or `*` alone. */
const assertable = (one: z.ZodMiniType<string>) =>
  z.union([z.tuple([z.literal('*')]), z.array(one).check(z.minLength(1))]);

/** A `typ` header in one spelling: any case is the same, `application/` may be left out (RFC 7515 §4.1.9). */
export function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

const issuer = z.strictObject({
  issuer: z.url({ protocol: /^https?$/, error: 'is not an http(s) URL' }),
  audience: z.string().check(z.minLength(1)),
  /** config.ts adds what the transport requires of it. */
  jwks_url: z
    .url({ protocol: /^https?$/, error: 'is not an http(s) URL' })
    .check(z.refine((text) => !URL.parse(text)?.username && !text.includes('#'), 'has a user or a fragment')),
  algorithms: z.array(z.enum(ALGORITHMS)).check(z.minLength(1)),
  /**
   * Accepted `typ` headers; RFC 9068 §4 wants `at+jwt`, Keycloak and others still send `JWT`. `null` accepts a header
   * without one, as Okta's are.
   */
  typ: z._default(
    z
      .array(z.nullable(z.pipe(z.string().check(z.minLength(1)), z.transform(mediaType))))
      .check(z.minLength(1)),
    ['at+jwt', 'jwt'],
  ),
  claims: z._default(
    z.strictObject({
      tenant: z._default(path, ['tenant_id']),
      roles: z._default(path, ['realm_access', 'roles']),
      session: z._default(path, ['sid']),
    }),
    { tenant: ['tenant_id'], roles: ['realm_access', 'roles'], session: ['sid'] },
  ),
  /**
   * Values of `amr` (RFC 8176 §2) or `acr` that count as multi-factor: said outright, or by something that the
   * user has. `swk` is not among them: software on the same machine is no second factor.
   */
  mfa: z._default(z.array(z.string().check(z.minLength(1))), ['mfa', 'otp', 'hwk', 'sc']),
  tenants: assertable(z.string().check(z.regex(TENANT_ID, 'is no tenant id'))),
  roles: assertable(z.enum(ROLES as [string, ...string[]])),
});

/** The issuers of a deployment, each with the tenants and roles that it may assert. */
export const issuersSchema = z.array(issuer).check(
  z.minLength(1),
  z.refine((all) => new Set(all.map((one) => one.issuer)).size === all.length, 'names an issuer twice'),
);

export type IssuerConfig = z.infer<typeof issuer>;
