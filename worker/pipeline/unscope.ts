import type { Json } from '../../core/canonical.ts';
import type { Namespace } from '../../core/ids.ts';
import { isObject, type JsonObject } from '../../core/json.ts';
import type { OwnedKind } from '../../core/rpc.ts';
import { checkAnswer } from '../mem0/answers.ts';
import { translationOf } from '../mem0/bridge/index.ts';
import { linked } from '../mem0/bridge/pages.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import type { AnswerFault, CheckedAnswer } from '../mem0/checked.ts';
import { unproven } from '../mem0/prove.ts';
import type { UpstreamAnswer } from '../mem0/upstream.ts';
import type { Owners } from '../owners.ts';
import { Problem } from '../problem.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { ForwardVars } from './forward.ts';
import type { ScopedCall, ScopeVars } from './scope.ts';
import type { Parts, Stage } from './stage.ts';
import type { Transport, TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface UnscopeVars {
  checked: {
    /** Memory ids in the answer. */
    readonly memoryIds: readonly string[];
    /** Rows of other owners that were withheld. */
    readonly withheld: number;
  };
}

/** Checks every row of the answer by its operation's rule and restores the ids. */
export function unscope({
  config,
  owners,
}: Parts): Stage<TransportVars & AuthenticateVars & ValidateVars & ScopeVars & ForwardVars, UnscopeVars> {
  return async (c) => {
    const request = c.get('request');
    const scoped = c.get('scoped');
    const upstream = c.get('upstream');
    const { space } = c.get('home');
    const checked = scoped.calls.map((carried, at) => check(carried, upstream[at], space, scoped.proven));
    const withheld = checked.reduce((sum, each) => sum + (each.withheld ?? 0), 0);
    const all = checked.flatMap((each) => (each.ok ? [each] : []));
    const faulty = checked.find((each) => !each.ok);
    if (faulty) {
      c.set('checked', { memoryIds: [], withheld });
      throw unreadable(faulty.reason);
    }
    const bodies = all.map(({ body }) => body);
    const translation = translationOf(request);
    const carried = { origin: originOf(c.get('transport'), config.TRANSPORT), eventId: crypto.randomUUID() };
    const given = attempt(
      () => translation?.fromOss(bodies, request, carried) ?? linked(bodies[0], request, carried.origin),
    );
    const memoryIds = all.flatMap((each) => each.memoryIds);
    c.set('checked', {
      // Of what was read, only what goes out counts as seen.
      memoryIds: request.operation.action === 'read' ? released(memoryIds, given.value) : memoryIds,
      withheld,
    });
    if (given.value === undefined) throw given.thrown;
    const gone = bodies.flatMap(removedIds);
    if (gone.length > 0) await register(owners, space.tenant, 'memory', gone);
    // Issued to this tenant before anybody can ask for it.
    if (translation?.event) {
      await register(owners, space.tenant, 'event', [carried.eventId], keptOf(given.value));
    } else if (!translation) {
      for (const [kind, ids] of issuedBy(request.operation, given.value)) {
        await register(owners, space.tenant, kind, ids);
      }
    }
    return c.json(given.value as object);
  };
}

type Given =
  | { readonly value: Json; readonly thrown?: never }
  | { readonly value?: never; readonly thrown: unknown };

function attempt(make: () => Json): Given {
  try {
    return { value: make() };
  } catch (thrown) {
    return { thrown };
  }
}

/** Those of the ids that stand in an answer: a translation may give fewer rows than Mem0 did. */
function released(ids: readonly string[], body: Json | undefined): readonly string[] {
  if (ids.length === 0 || body === undefined) return [];
  const rows = isObject(body) && Array.isArray(body.results) ? (body.results as Json[]) : [body].flat();
  const shown = new Set(rows.map((row) => (isObject(row) ? row.id : undefined)));
  return ids.filter((id) => shown.has(id));
}

/** The events and exports that Mem0 itself has named. */
function issuedBy({ answer }: Operation, body: Json): readonly (readonly [OwnedKind, readonly string[]])[] {
  const { event_id: event, id } = isObject(body) ? body : {};
  return [
    ...(typeof event === 'string' ? [['event', [event]] as const] : []),
    ...(answer === 'export' ? [['export', [id as string]] as const] : []),
  ];
}

/** At most this many memories are kept with an event. */
const KEPT = 100;

/** What an event says later: which memories came of it and how, and never a text. */
function keptOf(body: Json): string {
  const results = isObject(body) && Array.isArray(body.results) ? (body.results as Json[]) : [];
  const kept = (results.filter(isObject) as JsonObject[]).map(({ id, event }) => ({ id, event }));
  return JSON.stringify(kept.slice(0, KEPT));
}

/** Where the client reached the gateway, for the links in an answer. */
function originOf({ target }: Transport, kind: 'edge' | 'loopback'): string {
  const host = target.ok ? target.host : '';
  return `${kind === 'edge' ? 'https' : 'http'}://${host}`;
}

const INCOMPLETE =
  'Mem0 may know more of this tenant than it gave, and cannot be asked for the rest. Name the ids instead of listing them.';

function check(
  { request }: ScopedCall,
  answer: UpstreamAnswer | undefined,
  space: Namespace,
  proven: readonly string[],
): CheckedAnswer {
  return checkAnswer(request.operation, space, answer?.ok ? answer.json : undefined, {
    proven,
    asked: request.params.memory_id,
    fields: request.body?.fields as readonly string[] | undefined,
  });
}

/** The problem that an answer is which may not be passed on. */
function unreadable(reason: AnswerFault): Problem {
  if (reason === 'owner_unproven') return unproven();
  if (reason === 'answer_incomplete') return new Problem('not_served', { reason, detail: INCOMPLETE });
  return new Problem('upstream_unreadable', { reason });
}

/** Older memories that Mem0 removed while adding: their history is still there, and still the tenant's. */
function removedIds(body: Json): readonly string[] {
  const results = isObject(body) ? (body as { readonly results?: unknown }).results : undefined;
  if (!Array.isArray(results)) return [];
  return results.flatMap((row) => (isObject(row) && row.event === 'DELETE' ? [row.id as string] : []));
}

/** By now Mem0 has done what was asked, so a failure must not look as if nothing had happened. */
async function register(
  owners: Owners,
  tenant: string,
  kind: OwnedKind,
  ids: readonly string[],
  detail?: string,
): Promise<void> {
  await owners.register(tenant, kind, ids, detail).catch(() => {
    throw new Problem('answer_not_read', { reason: 'owners_unavailable' });
  });
}
