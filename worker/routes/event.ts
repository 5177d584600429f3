import type { Json } from '../../core/canonical.ts';
import { isObject } from '../../core/json.ts';
import { EVENT_STATUSES } from '../mem0/answers-platform.ts';
import { upstreamProblem } from '../mem0/failures.ts';
import { unproven } from '../mem0/prove.ts';
import { isMemory, ownerOf } from '../mem0/rows.ts';
import type { Owners } from '../owners.ts';
import type { Governed, GovernedHandler } from '../pipeline/govern.ts';
import { Problem } from '../problem.ts';

const KINDS: ReadonlySet<unknown> = new Set(['ADD', 'UPDATE', 'DELETE', 'NONE']);

/**
 * `GET /v1/event/{event_id}/`: what became of an addition. A self-hosted Mem0 has done it by the time that its event
 * is named, so an event that is the tenant's has succeeded. The Platform is asked; its event echoes the request, and
 * of it only the status, and which memories came of it, is passed on.
 */
export function getEvent(owners: Owners): GovernedHandler {
  return async (governed) => {
    const { request, principal, home } = governed;
    const id = request.params.event_id!;
    const kept = await owners.detail(principal.tenant, 'event', id).catch(() => {
      throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
    });
    if (kept === undefined) throw unproven();
    if (home.kind === 'oss') {
      const results = JSON.parse(kept || '[]') as PlatformEvent['results'];
      const touched = [id, ...results.map((result) => result.id)];
      return { body: { id, event_type: 'ADD', status: 'SUCCEEDED', results }, touched };
    }
    const { status, results, withheld } = await askPlatform(governed, id);
    const gone = results.filter(({ event }) => event === 'DELETE').map((result) => result.id);
    if (gone.length > 0) {
      await owners.register(principal.tenant, 'memory', gone).catch(() => {
        throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
      });
    }
    return {
      body: { id, event_type: 'ADD', status, results },
      touched: [id, ...results.map((result) => result.id)],
      withheld,
    };
  };
}

interface PlatformEvent {
  readonly status: string;
  readonly results: readonly { readonly id: string; readonly event: string }[];
}

/** @throws Problem when the Platform does not say what became of the event. */
async function askPlatform(
  { home, hold, transport }: Governed,
  id: string,
): Promise<PlatformEvent & { readonly withheld: number }> {
  const call = { method: 'GET', path: `/v1/event/${id}/`, query: [] };
  const answer = await home.upstream.call(call, transport.traceparent, hold);
  const problem = upstreamProblem(answer, home.space, false);
  if (problem) throw problem;
  const event = answer.ok ? answer.json : undefined;
  if (!isObject(event) || event.id !== id || !EVENT_STATUSES.has(event.status)) {
    throw new Problem('upstream_unreadable', { reason: 'answer_malformed' });
  }
  const rows = Array.isArray(event.results) ? (event.results as Json[]) : [];
  const results = rows.flatMap((row) => {
    const own = isMemory(row) && ownerOf(home.space, row) !== 'foreign' && KINDS.has(row.event);
    return own ? [{ id: row.id, event: row.event as string }] : [];
  });
  const withheld = rows.filter((row) => ownerOf(home.space, row) === 'foreign').length;
  return { status: event.status as string, results, withheld };
}
