import { unproven } from '../mem0/prove.ts';
import type { Owners } from '../owners.ts';
import type { GovernedHandler } from '../pipeline/govern.ts';
import { Problem } from '../problem.ts';

/**
 * `GET /v1/event/{event_id}/`: what became of an addition. A self-hosted Mem0 has done it by the time that its event
 * is named, so an event that is the tenant's has succeeded.
 */
export function getEvent(owners: Owners): GovernedHandler {
  return async ({ request, principal }) => {
    const id = request.params.event_id!;
    const own = await owners.owned(principal.tenant, 'event', id).catch(() => {
      throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
    });
    if (!own) throw unproven();
    return { body: { id, event_type: 'ADD', status: 'SUCCEEDED' }, touched: [id] };
  };
}
