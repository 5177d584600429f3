import { createHash } from 'node:crypto';
import { canonical, type Json } from '../../core/canonical.ts';
import { log } from '../log.ts';
import { buildInput } from '../policy/facts.ts';
import type { PolicyDecision } from '../policy/policy.ts';
import { Problem } from '../problem.ts';
import type { AdmitVars } from './admit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface AuthorizeVars {
  /** The policy's decision, with the hex SHA-256 of the canonical input that it was made from. */
  decision: PolicyDecision & { readonly input: string };
}

/** Facts → policy → decision. Rows that say `deny` are denied whatever the policy says. */
export function authorize({
  policy,
}: Parts): Stage<TransportVars & AuthenticateVars & ValidateVars & AdmitVars, AuthorizeVars> {
  return async (c, next) => {
    const { principal, transport } = c.var;
    const { operation } = c.var.request;
    const input = buildInput({
      action: operation.action,
      operation: operation.id,
      resource: operation.resource,
      path: operation.path,
      roles: principal.roles,
      tenant: principal.tenant,
      resourceTenant: principal.tenant,
      now: transport.receivedAt,
      country: transport.country ?? null,
      tls: transport.tls ?? null,
      mfa: principal.mfa,
    });
    const decided = policy.decide(input);
    const digest = createHash('sha256')
      .update(canonical(input as unknown as Json))
      .digest('hex');
    c.set('decision', { ...decided, input: digest });
    if (decided.reasons.includes('policy_unreadable')) {
      log('policy_unreadable', { request_id: transport.requestId });
    }
    if (operation.access === 'deny') {
      throw new Problem('forbidden', { reason: 'operation_denied', decision: 'deny' });
    }
    if (!decided.allow) {
      throw new Problem('forbidden', { reason: decided.reasons[0] ?? 'denied', decision: 'deny' });
    }
    return next();
  };
}
