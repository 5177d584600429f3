import { createHash } from 'node:crypto';
import { TENANT_ID } from '../../core/names.ts';
import { ROLES, type Role } from '../../core/record.ts';
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

type Narrowing = {
  readonly no_tenant: 403;
  readonly no_role: 403;
  readonly tenant_not_granted: 403;
  readonly role_not_granted: 403;
  readonly tenant_required: 400;
  readonly tenant_malformed: 400;
  readonly role_malformed: 400;
  readonly context_required: 400;
};

const CODES = {
  no_tenant: 'forbidden',
  no_role: 'forbidden',
  tenant_not_granted: 'forbidden',
  role_not_granted: 'forbidden',
  tenant_required: 'tenant_required',
  tenant_malformed: 'invalid_header',
  role_malformed: 'invalid_header',
  context_required: 'context_required',
} as const satisfies { readonly [R in keyof Narrowing]: string };

export type Narrowed =
  | { readonly ok: true; readonly principal: Principal }
  | {
      readonly ok: false;
      readonly reason: keyof Narrowing;
      readonly code: (typeof CODES)[keyof Narrowing];
      /** Under whom the refusal is counted and recorded; absent when the token grants no tenant: a stranger. */
      readonly identity?: Principal;
    };

/**
 * `X-Tenant-Id` and `X-User-Role` narrow what the token grants and never widen it. A token for several tenants
 * needs the first; a refusal counts against the actor in the token's first granted tenant by byte order.
 */
export function narrow(
  token: VerifiedToken,
  { tenant: tenantHeader, role: roleHeader }: ContextHeaders,
  { requireContextHeaders }: { readonly requireContextHeaders: boolean },
): Narrowed {
  const first = token.tenants[0];
  if (first === undefined) return no('no_tenant');
  const identity = principal(token, first, token.roles);
  if (requireContextHeaders && (tenantHeader === null || roleHeader === null))
    return no('context_required', identity);
  if (tenantHeader !== null && !TENANT_ID.test(tenantHeader)) return no('tenant_malformed', identity);
  if (roleHeader !== null && !isRole(roleHeader)) return no('role_malformed', identity);
  if (tenantHeader === null && token.tenants.length > 1) return no('tenant_required', identity);
  const tenant = tenantHeader ?? first;
  if (!token.tenants.includes(tenant)) return no('tenant_not_granted', identity);
  if (token.roles.length === 0) return no('no_role', identity);
  if (roleHeader !== null && !token.roles.includes(roleHeader)) return no('role_not_granted', identity);
  return { ok: true, principal: principal(token, tenant, roleHeader === null ? token.roles : [roleHeader]) };
}

function principal(token: VerifiedToken, tenant: string, roles: readonly Role[]): Principal {
  const { issuer, subject, actorHash, actingParty, session, mfa, expiresAt } = token;
  return {
    ...{ issuer, subject, actorHash, tenant, roles, mfa, expiresAt },
    ...(actingParty === undefined ? {} : { actingParty }),
    ...(session === undefined ? {} : { session }),
  };
}

function no(reason: keyof Narrowing, identity?: Principal): Narrowed {
  return { ok: false, reason, code: CODES[reason], ...(identity ? { identity } : {}) };
}

function isRole(word: string): word is Role {
  return (ROLES as readonly string[]).includes(word);
}

/** The name of an actor's gate; NUL is in neither part. */
export function actorHash(issuer: string, subject: string): string {
  return createHash('sha256').update(`${issuer}\0${subject}`).digest('hex');
}
