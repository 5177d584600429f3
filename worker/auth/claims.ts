import { TENANT_ID } from '../../core/names.ts';
import { ROLES, type Role } from '../../core/record.ts';
import type { IssuerConfig } from './issuers.ts';

/** What a token says, once its signature holds and its issuer's limits were applied. */
export interface VerifiedToken {
  readonly issuer: string;
  readonly subject: string;
  readonly actorHash: string;
  readonly actingParty?: string;
  /** Granted by the token and assertable by its issuer, sorted by bytes. */
  readonly tenants: readonly string[];
  readonly roles: readonly Role[];
  readonly session?: string;
  readonly mfa: boolean;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

export type ClaimFault =
  | 'expiry_missing'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'issued_in_future'
  | 'time_malformed'
  | 'audience_wrong'
  | 'subject_malformed'
  /** An ID, refresh or logout token, signed with the same key. */
  | 'not_an_access_token'
  /** The token is bound to a key (RFC 7800 `cnf`), and no proof of that key is checked here. */
  | 'proof_required';

export type Claims = { readonly [name: string]: unknown };

/** How far an issuer's clock may be ahead, in seconds. Nothing is added to a token's life (RFC 7519 §4.1.4). */
const SKEW = 30;

/** What is wrong with a token's claims at `now` (seconds), its signature, issuer and header being right. */
export function claimFault(claims: Claims, issuer: IssuerConfig, now: number): ClaimFault | undefined {
  const { exp, nbf, iat, aud, sub } = claims;
  // Keycloak tells its kinds of token apart in the payload only; `at_hash` and `c_hash` stand in ID tokens alone.
  const { typ } = claims;
  const kind = typ === undefined || typ === 'Bearer' || typ === 'DPoP';
  if (!kind || claims.at_hash !== undefined || claims.c_hash !== undefined) return 'not_an_access_token';
  if (claims.cnf !== undefined || typ === 'DPoP') return 'proof_required';
  if (exp === undefined) return 'expiry_missing';
  if (![exp, nbf ?? 0, iat ?? 0].every(isTime)) return 'time_malformed';
  if ((exp as number) <= now) return 'token_expired';
  if (nbf !== undefined && (nbf as number) > now + SKEW) return 'token_not_yet_valid';
  if (iat !== undefined && (iat as number) > now + SKEW) return 'issued_in_future';
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(issuer.audience)) return 'audience_wrong';
  return isName(sub) ? undefined : 'subject_malformed';
}

/** The tenants that the token names and its issuer may assert, by byte order. Anything else is ignored. */
export function grantedTenants(claims: Claims, { claims: paths, tenants }: IssuerConfig): string[] {
  const all = (tenants as readonly string[]).includes('*');
  const named = words(at(claims, paths.tenant)).filter((word) => TENANT_ID.test(word));
  return [...new Set(named)]
    .filter((tenant) => all || (tenants as readonly string[]).includes(tenant))
    .sort();
}

/** The known roles that the token names and its issuer may assert. */
export function grantedRoles(claims: Claims, { claims: paths, roles }: IssuerConfig): Role[] {
  const all = (roles as readonly string[]).includes('*');
  const named = new Set(words(at(claims, paths.roles)));
  return ROLES.filter((role) => named.has(role) && (all || (roles as readonly string[]).includes(role)));
}

export function sessionOf(claims: Claims, { claims: paths }: IssuerConfig): string | undefined {
  const session = at(claims, paths.session);
  return isName(session) ? session : undefined;
}

/** `act.sub` of the outermost actor (RFC 8693 §4.1). */
export function actingPartyOf(claims: Claims): string | undefined {
  const party = at(claims, ['act', 'sub']);
  return isName(party) ? party : undefined;
}

/** Whether the token says that more than one factor was used: in `amr` (RFC 8176), or by its `acr`. */
export function usedMfa(claims: Claims, { mfa }: IssuerConfig): boolean {
  return [...words(claims.amr), ...words(claims.acr)].some((word) => mfa.includes(word));
}

/** The value at a path of own members; nothing inherited is ever read. */
function at(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

/** A claim that is a string or a list of them; anything else names nothing. */
function words(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : [];
}

/** Seconds that a Date can hold (ECMA-262, time values), so that nobody downstream meets an invalid one. */
const LAST_SECOND = 8.64e12;

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= LAST_SECOND;
}

function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= 255 &&
    !/[\p{Cc}\u202a-\u202e\u2066-\u2069\ufeff]/u.test(value) &&
    value.isWellFormed()
  );
}
