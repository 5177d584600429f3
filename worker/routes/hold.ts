import type { Holds } from '../governance/holds.ts';
import { HoldRequest } from '../governance/requests.ts';
import type { GovernedHandler } from '../pipeline/govern.ts';
import { readable } from './readable.ts';

/** `GET /governance/v1/audit/hold`: whether the tenant's records are kept from being archived. */
export function getHold(holds: Holds): GovernedHandler {
  return async ({ principal }) => ({ body: await readable(() => holds.last(principal.tenant)) });
}

/** `PUT /governance/v1/audit/hold`: holds the tenant's records, or holds them no more. */
export function setHold(holds: Holds): GovernedHandler {
  return async ({ principal, request, transport, begin }) => {
    const { held, reason } = HoldRequest.parse(request.body);
    const touched = [held ? 'hold:on' : 'hold:off'];
    await begin(touched);
    const body = await readable(async () => {
      await holds.set(principal.tenant, held, reason, transport.requestId);
      return holds.last(principal.tenant);
    });
    return { body, touched };
  };
}
