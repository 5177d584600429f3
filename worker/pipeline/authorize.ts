import { canonical, type Json } from '../../core/canonical.ts';
import { sha256 } from '../../core/sha256.ts';
import { log } from '../log.ts';
import { askerOf, judge } from '../policy/judge.ts';
import type { PolicyDecision } from '../policy/policy.ts';
import type { AdmitVars } from './admit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface AuthorizeVars {
  /** The policy's decision, with the hex SHA-256 of the canonical input that it was made from. */
  decision: PolicyDecision & { readonly input: string };
}

/** The policy's decision on the request, from the principal's facts. */
export function authorize({
  policy,
}: Parts): Stage<TransportVars & AuthenticateVars & ValidateVars & AdmitVars, AuthorizeVars> {
  return async (c, next) => {
    const principal = c.get('principal');
    const transport = c.get('transport');
    const request = c.get('request');
    const { input, decision, refusal } = judge(policy, request, askerOf(principal, transport));
    const digest = sha256(canonical(input as unknown as Json));
    c.set('decision', { ...decision, input: digest });
    if (decision.reasons.includes('policy_unreadable')) {
      log('policy_unreadable', { request_id: transport.requestId });
    }
    if (refusal) throw refusal;
    return next();
  };
}
