import { TENANT_ID } from '../../core/names.ts';
import type { Role } from '../../core/record.ts';
import { sha256 } from '../../core/sha256.ts';
import type { VerifiedToken } from './claims.ts';

/** Who calls, in which tenant, with which roles: what a verified token grants, narrowed by the request. */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  /** Hex SHA-256 of issuer NUL subject: names the actor's gate. */
  readonly actorHash: string;
  /** Who acts for the actor (RFC 8693 `act.sub`). Recorded; decides nothing. */
  readonly actingParty?: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  readonly session?: string;
  readonly mfa: boolean;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

export interface ContextHeaders {
  readonly tenant: string | null;
  readonly role: string | null;
}

/** Every refusal: its status, and the code of the problem that the caller sees. */
const REFUSALS = {
  no_tenant: [403, 'forbidden'],
  no_role: [403, 'forbidden'],
  tenant_not_granted: [403, 'forbidden'],
  role_not_granted: [403, 'forbidden'],
  tenant_required: [400, 'tenant_required'],
  tenant_malformed: [400, 'invalid_header'],
  role_malformed: [400, 'invalid_header'],
  context_required: [400, 'context_required'],
} as const satisfies { readonly [reason: string]: readonly [400 | 403, string] };

export type NarrowFault = keyof typeof REFUSALS;

export type Narrowed =
  | { readonly ok: true; readonly principal: Principal }
  | {
      readonly ok: false;
      readonly status: (typeof REFUSALS)[NarrowFault][0];
      readonly code: (typeof REFUSALS)[NarrowFault][1];
      readonly reason: NarrowFault;
      /** Under whom the refusal is counted and recorded; absent when the token grants no tenant: a stranger. */
      readonly identity?: Principal;
    };

/** One word; a header that was sent twice arrives joined by a comma, which is none. */
const ROLE_WORD = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/**
 * `X-Tenant-Id` and `X-User-Role` narrow what the token grants and never widen it. A token for several tenants
 * needs the first. A refusal counts against the actor in the tenant of the request as soon as that is settled,
 * and in the token's first granted tenant by byte order before.
 */
export function narrow(
  token: VerifiedToken,
  { tenant: tenantHeader, role: roleHeader }: ContextHeaders,
  { requireContextHeaders }: { readonly requireContextHeaders: boolean },
): Narrowed {
  const first = token.tenants[0];
  if (first === undefined) return no('no_tenant');
  const identity = principal(token, first, token.roles);
  if (requireContextHeaders && (tenantHeader === null || roleHeader === null)) {
    return no('context_required', identity);
  }
  if (tenantHeader !== null && !TENANT_ID.test(tenantHeader)) return no('tenant_malformed', identity);
  if (roleHeader !== null && !ROLE_WORD.test(roleHeader)) return no('role_malformed', identity);
  if (tenantHeader === null && token.tenants.length > 1) return no('tenant_required', identity);
  const tenant = tenantHeader ?? first;
  if (!token.tenants.includes(tenant)) return no('tenant_not_granted', identity);
  const granted = principal(token, tenant, token.roles);
  if (token.roles.length === 0) return no('no_role', granted);
  if (roleHeader === null) return { ok: true, principal: granted };
  const roles = token.roles.filter((role) => role === roleHeader);
  return roles.length === 0
    ? no('role_not_granted', granted)
    : { ok: true, principal: { ...granted, roles } };
}

function principal(token: VerifiedToken, tenant: string, roles: readonly Role[]): Principal {
  const { issuer, subject, actorHash, actingParty, session, mfa, expiresAt } = token;
  return {
    ...{ issuer, subject, actorHash, tenant, roles, mfa, expiresAt },
    ...(actingParty === undefined ? {} : { actingParty }),
    ...(session === undefined ? {} : { session }),
  };
}

function no(reason: NarrowFault, identity?: Principal): Narrowed {
  const [status, code] = REFUSALS[reason];
  return { ok: false, status, code, reason, ...(identity ? { identity } : {}) };
}

/** The name of an actor's gate; NUL is in neither part. */
export function actorHash(issuer: string, subject: string): string {
  return sha256(`${issuer}\0${subject}`);
}
