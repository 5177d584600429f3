import type { Json } from '../../core/canonical.ts';
import { STRANGERS } from '../../core/names.ts';
import type { Decision, Outcome, Place, RecordMembers } from '../../core/record.ts';
import { NAMED_IDS, touchedIds } from '../../core/record.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import type { UpstreamAnswer } from '../mem0/upstream.ts';
import type { Identity } from '../pipeline/authenticate.ts';
import type { Transport } from '../pipeline/transport.ts';
import type { PolicyDecision } from '../policy/policy.ts';
import type { Problem } from '../problem.ts';

/** What a record says of the client. */
export interface ClientTokens {
  readonly client?: string;
  readonly agent?: string;
}

/** What is known of a request when it is recorded; everything but the transport may be missing. */
export interface Known {
  readonly transport: Transport;
  readonly identity?: Identity | undefined;
  readonly session?: string | undefined;
  readonly operation?: Operation | undefined;
  readonly decision?: (PolicyDecision & { readonly input: string }) | undefined;
  /** Ids that the request touched, personal ones as tokens. */
  readonly touched: readonly string[];
  readonly cut: boolean;
  /** Address and user agent, as tokens. */
  readonly client?: ClientTokens | undefined;
  readonly problem?: Problem | undefined;
  readonly status?: number | undefined;
  /** What came of the calls to Mem0 that were made. */
  readonly upstream: readonly UpstreamAnswer[];
  /** The memory of each call that was to be made, where it is about one. */
  readonly calls: readonly (string | undefined)[];
  readonly intent?: Place | undefined;
  readonly withheld: number;
  /** The gate was passed or refused; refusals before it are coalesced. */
  readonly admitted: boolean;
  readonly rateWindowMs: number;
}

const MINUTE_MS = 60_000;

/** The record before a change. */
export function intentEntry(known: Known): AppendEntry {
  return {
    key: `${known.transport.requestId}:intent`,
    members: { ...common(known), phase: 'intent', decision: 'allow', reasons: reasons(known) },
  };
}

/** The record of what became of a request: with its intent's place when it had one. */
export function outcomeEntry(known: Known): AppendEntry {
  const key = `${known.transport.requestId}:outcome`;
  const decision = decisionOf(known);
  const outcome = outcomeOf(known);
  if (!known.identity) return strangerEntry(known, key, decision, outcome);
  const members: RecordMembers = {
    ...common(known),
    phase: 'outcome',
    decision,
    reasons: reasons(known),
    outcome,
    ...(known.intent ? { intent: { log: known.intent.log, index: known.intent.index } } : {}),
    ...detailOf(known),
  };
  const limited = decision === 'rate_limited';
  if (!limited && (known.admitted || known.problem === undefined)) return { key, members };
  const windowMs = limited ? known.rateWindowMs : MINUTE_MS;
  const coalesce = `actor ${known.identity.actorHash} ${decision} ${members.reasons.join(',')}`;
  return { key, members, coalesce: { key: coalesce, windowMs } };
}

/** The record of rows that Mem0 returned and that are not the tenant's. */
export function breachEntry(known: Known): AppendEntry {
  return {
    key: `${known.transport.requestId}:event:isolation_breach:1`,
    members: {
      ...common(known),
      phase: 'event',
      decision: 'allow',
      reasons: ['isolation_breach'],
      detail: { rows: known.withheld },
    },
  };
}

/** Without a verified identity a record holds the reason and the cut address, and nothing else of the caller's. */
function strangerEntry(known: Known, key: string, decision: Decision, outcome: Outcome): AppendEntry {
  const { requestId, address } = known.transport;
  const why = reasons(known);
  return {
    key,
    members: {
      v: 1,
      phase: 'outcome',
      request_id: requestId,
      tenant: STRANGERS,
      decision,
      reasons: why,
      outcome,
      client: address.cut,
    },
    coalesce: { key: `stranger ${address.key} ${why.join(',')}`, windowMs: MINUTE_MS },
  };
}

type Common = Omit<RecordMembers, 'phase' | 'decision' | 'reasons'>;

function common(known: Known): Common {
  const { transport, identity, session, operation, decision, touched, cut, client } = known;
  const resource = touchedIds(touched);
  return {
    v: 1,
    request_id: transport.requestId,
    correlation: transport.correlation,
    tenant: identity?.tenant ?? STRANGERS,
    actor: identity && { issuer: identity.issuer, sub: identity.subject },
    acting_party: identity?.actingParty,
    roles: identity && [...identity.roles].sort(),
    action: operation?.action,
    operation: operation?.id,
    dialect: operation?.dialect,
    resource: cut ? { ...resource, cut: true } : resource,
    session,
    policy: decision?.digest,
    input: decision?.input,
    ...client,
  };
}

function decisionOf({ problem, decision }: Known): Decision {
  return problem?.decision ?? (decision?.allow ? 'allow' : 'deny');
}

function reasons({ problem, decision }: Known): readonly string[] {
  const own = problem ? [problem.reason] : [];
  return [...new Set([...(decision?.reasons ?? []), ...own])].sort();
}

/** Where a refused request was at fault; how far a batch came. */
function detailOf(known: Known): Pick<RecordMembers, 'detail'> {
  const { problem, upstream, calls } = known;
  if (problem?.pointer !== undefined) return { detail: { pointer: problem.pointer } };
  if (problem === undefined || !isBatch(calls) || upstream.length === 0) return {};
  const last = upstream.at(-1)!;
  const failed = upstream.length - 1;
  const unknown = isOpen(last);
  const some = (from: number, to?: number) => shortly(calls.slice(from, to));
  return {
    detail: {
      done: some(0, failed),
      ...(unknown ? { unknown: some(failed, failed + 1) } : {}),
      not_done: some(unknown ? failed + 1 : failed),
    },
  };
}

/** Several calls about a memory each; a read that takes several calls changes nothing. */
function isBatch(calls: Known['calls']): boolean {
  return calls.length > 1 && calls.every((id) => id !== undefined);
}

/** At most as many ids as a record names; of more, their number. */
function shortly(ids: readonly (string | undefined)[]): Json {
  return ids.length > NAMED_IDS ? ids.length : ids.filter((id) => id !== undefined);
}

function outcomeOf({ problem, status, upstream, calls, intent }: Known): Outcome {
  const last = upstream.at(-1);
  // A caller reads this of his own requests: it must not tell a memory of another's from none.
  const told = problem?.reason === 'owner_unproven' ? undefined : last?.status;
  const asked = last && {
    ...(told === undefined ? {} : { upstream_status: told }),
    latency_ms: upstream.reduce((sum, { latencyMs }) => sum + latencyMs, 0),
  };
  // A batch that stopped half-way failed, whatever became of the call that stopped it.
  const halfway = problem !== undefined && isBatch(calls) && upstream.length > 1;
  return {
    result: halfway ? 'failure' : resultOf(problem, last, intent),
    ...(status === undefined ? {} : { status }),
    ...asked,
  };
}

/**
 * Whether it happened. For a change, a 2xx status means that it did even when the answer could not be read, and Mem0's
 * own 4xx that it did not. After a 5xx or no status at all nobody knows: of several messages the first may be stored,
 * of the memories of a filter some may be gone.
 */
function resultOf(
  problem: Problem | undefined,
  upstream: UpstreamAnswer | undefined,
  intent: Place | undefined,
): Outcome['result'] {
  if (!problem) return 'success';
  if (!intent) return 'failure';
  if (upstream === undefined || isOpen(upstream)) return 'unknown';
  return upstream.status! < 300 ? 'success' : 'failure';
}

/** Whether nobody knows what a call that changes something has done. */
function isOpen({ status }: UpstreamAnswer): boolean {
  return status === undefined || status >= 500;
}
