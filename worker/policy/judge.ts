import { parseLogName } from '../../core/names.ts';
import type { Role } from '../../core/record.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import { Problem } from '../problem.ts';
import { buildInput, type PolicyInput } from './facts.ts';
import type { Policy, PolicyDecision } from './policy.ts';

/** Who asks, from where and when: all that a policy can know of it. */
export interface Asker {
  readonly roles: readonly Role[];
  readonly tenant: string;
  readonly mfa: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly country: string | null;
  readonly tls: string | null;
}

export interface Judgement {
  readonly input: PolicyInput;
  readonly decision: PolicyDecision;
  /** How the request is refused; absent: it is allowed. */
  readonly refusal?: Problem;
}

/**
 * Facts → policy → decision. The tenant that is asked for is the asker's, or that of the log that the path names.
 * Rows that say `deny` are denied whatever the policy says. What is another tenant's is not found, as if it did
 * not exist.
 */
export function judge(
  policy: Policy,
  {
    operation,
    params,
  }: { readonly operation: Operation; readonly params: { readonly [name: string]: string } },
  { roles, tenant, mfa, now, country, tls }: Asker,
): Judgement {
  const resourceTenant = params.log === undefined ? tenant : (parseLogName(params.log)?.tenant ?? '');
  const { action, id, resource, path } = operation;
  const input = buildInput({
    ...{ action, operation: id, resource, path, roles, tenant, resourceTenant },
    ...{ now, country, tls, mfa },
  });
  const decision = policy.decide(input);
  const refusal = refusalOf(operation, decision, resourceTenant === tenant);
  return { input, decision, ...(refusal ? { refusal } : {}) };
}

function refusalOf(operation: Operation, decision: PolicyDecision, own: boolean): Problem | undefined {
  if (operation.access === 'deny') {
    return new Problem('forbidden', { reason: 'operation_denied', decision: 'deny' });
  }
  if (decision.allow) return undefined;
  const reason = decision.reasons[0] ?? 'denied';
  return new Problem(own ? 'forbidden' : 'not_found', { reason, decision: 'deny' });
}
