import type { Action, Role } from '../../core/record.ts';

/** What the policy is told about a request; policies/schemas/input.json is its schema. Holds no personal value. */
export interface PolicyInput {
  readonly action: Action;
  readonly operation: string;
  readonly roles: readonly Role[];
  readonly tenant: string;
  /** The tenant that the request asks for. */
  readonly resource_tenant: string;
  /** Kind of resource and the path's template, as `memory /memories/{memory_id}`. */
  readonly resource: string;
  readonly context: {
    /** RFC 3339, UTC. */
    readonly time: string;
    readonly time_ms: number;
    /** ISO 3166-1 alpha-2, or null where the platform does not know. */
    readonly country: string | null;
    readonly tls: string | null;
    readonly mfa: boolean;
  };
  readonly grant: null;
}

export interface Facts {
  readonly action: Action;
  readonly operation: string;
  readonly resource: string;
  readonly path: string;
  readonly roles: readonly Role[];
  readonly tenant: string;
  readonly resourceTenant: string;
  /** Milliseconds since the epoch: policies have no clock of their own. */
  readonly now: number;
  readonly country: string | null;
  readonly tls: string | null;
  readonly mfa: boolean;
}

export function buildInput(facts: Facts): PolicyInput {
  const { action, operation, resource, path, roles, tenant, resourceTenant, now, country, tls, mfa } = facts;
  // In the order of canonical JSON, so that nothing is left to sort.
  return {
    action,
    context: { country, mfa, time: new Date(now).toISOString(), time_ms: now, tls },
    grant: null,
    operation,
    resource: `${resource} ${path}`,
    resource_tenant: resourceTenant,
    roles,
    tenant,
  };
}
