import type { WhoAmIAnswer } from '../governance/schemas.ts';
import { OPERATIONS } from '../mem0/catalogue/index.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import type { Governed, GovernedHandler } from '../pipeline/govern.ts';
import { askerOf, judge } from '../policy/judge.ts';
import type { Policy } from '../policy/policy.ts';

const GOVERNED: readonly Operation[] = OPERATIONS.filter(({ access }) => access === 'governed');

/** One operation for each action: what a policy says of it is said of the action. */
const ACTIONS = ['read', 'write', 'delete', 'audit_read', 'admin', 'self'] as const;

/** `GET /governance/v1/whoami`: the caller, what is left of the rate, and what the policy lets the caller do. */
export function whoami(policy: Policy, windowMs: number): GovernedHandler {
  return (governed) => {
    const { principal, home, transport, admission, decision } = governed;
    const asker = askerOf(principal, transport);
    const served = GOVERNED.filter(({ serve }) => serve[home.kind] !== 'refuse');
    const allowed = served.filter((operation) => !judge(policy, asked(operation), asker).refusal);
    const body: WhoAmIAnswer = {
      principal: principalOf(governed),
      rate: {
        limit: admission.limit,
        remaining: admission.remaining,
        window_seconds: windowMs / 1000,
        reset_seconds: Math.ceil(admission.resetMs / 1000),
      },
      policy: decision.digest,
      actions: ACTIONS.map((action) => {
        const { allow, reasons } = judge(policy, asked({ ...ANY, action }), asker).decision;
        return { action, allow, reasons: [...reasons] };
      }),
      operations: allowed.map(({ id }) => id),
    };
    return { body };
  };
}

/** What an action is asked about in general: no operation in particular. */
const ANY: Operation = { ...GOVERNED[0]!, id: 'any', resource: 'any', path: '/' };

function asked(operation: Operation) {
  return { operation, params: {} };
}

function principalOf({ principal }: Governed): WhoAmIAnswer['principal'] {
  const { issuer, subject, actingParty, tenant, roles, session, mfa, expiresAt } = principal;
  return {
    ...{ issuer, subject, tenant, mfa },
    acting_party: actingParty ?? null,
    roles: [...roles].sort(),
    session: session ?? null,
    expires_at: new Date(expiresAt * 1000).toISOString(),
  };
}
