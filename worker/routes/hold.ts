import type { Holds } from '../governance/holds.ts';
import type { HoldAnswer } from '../governance/proof-schemas.ts';
import { HoldRequest } from '../governance/requests.ts';
import { AuditUnreadable } from '../governance/tenant-reader.ts';
import type { GovernedHandler } from '../pipeline/govern.ts';
import { Problem } from '../problem.ts';

/** `GET /governance/v1/audit/hold`: whether the tenant's records are kept from being archived. */
export function getHold(holds: Holds): GovernedHandler {
  return async ({ principal }) => ({ body: await answered(() => holds.last(principal.tenant)) });
}

/** `PUT /governance/v1/audit/hold`: holds the tenant's records, or holds them no more. */
export function setHold(holds: Holds): GovernedHandler {
  return async ({ principal, request, transport, begin }) => {
    const { held, reason } = HoldRequest.parse(request.body);
    const touched = [held ? 'hold:on' : 'hold:off'];
    await begin(touched);
    const body = await answered(async () => {
      await holds.set(principal.tenant, held, reason, transport.requestId);
      return holds.last(principal.tenant);
    });
    return { body, touched };
  };
}

async function answered(run: () => Promise<HoldAnswer>): Promise<HoldAnswer> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof AuditUnreadable)) throw error;
    throw new Problem('audit_unreadable', { reason: 'audit_unreadable' });
  }
}
