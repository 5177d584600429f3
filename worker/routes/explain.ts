import { explain } from '../governance/explain.ts';
import { ExplainRequest } from '../governance/requests.ts';
import type { GovernedHandler } from '../pipeline/govern.ts';
import type { Policy } from '../policy/policy.ts';

/** `POST /governance/v1/explain`: what would become of a described request. */
export function explainRequest(policy: Policy): GovernedHandler {
  return ({ request, home, transport }) => {
    const described = ExplainRequest.parse(request.body);
    return { body: explain(policy, described, { home, now: transport.receivedAt }) };
  };
}
