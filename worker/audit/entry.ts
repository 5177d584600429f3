import { STRANGERS } from '../../core/names.ts';
import type { Decision, Outcome, Place, RecordMembers } from '../../core/record.ts';
import { touchedIds } from '../../core/record.ts';
import type { AppendEntry } from '../../core/rpc.ts';
import type { Operation } from '../mem0/catalogue/types.ts';
import type { UpstreamAnswer } from '../mem0/upstream.ts';
import type { Identity } from '../pipeline/authenticate.ts';
import type { Transport } from '../pipeline/transport.ts';
import type { PolicyDecision } from '../policy/policy.ts';
import type { Problem } from '../problem.ts';

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
  readonly problem?: Problem | undefined;
  readonly status?: number | undefined;
  readonly upstream?: UpstreamAnswer | undefined;
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
    ...(known.problem?.place === undefined ? {} : { detail: { pointer: known.problem.place } }),
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

function common({ transport, identity, session, operation, decision, touched, cut }: Known): Common {
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
  };
}

function decisionOf({ problem, decision }: Known): Decision {
  return problem?.decision ?? (decision?.allow ? 'allow' : 'deny');
}

function reasons({ problem, decision }: Known): readonly string[] {
  const own = problem ? [problem.reason] : [];
  return [...new Set([...(decision?.reasons ?? []), ...own])].sort();
}

function outcomeOf({ problem, status, upstream, intent }: Known): Outcome {
  const asked = upstream && {
    ...(upstream.status === undefined ? {} : { upstream_status: upstream.status }),
    latency_ms: upstream.latencyMs,
  };
  return {
    result: resultOf(problem, upstream, intent),
    ...(status === undefined ? {} : { status }),
    ...asked,
  };
}

/**
 * Whether it happened. For a change, a 2xx status means that it did even when the answer could not be read,
 * Mem0's own 4xx or 5xx that it failed, and no status at all that nobody knows.
 */
function resultOf(
  problem: Problem | undefined,
  upstream: UpstreamAnswer | undefined,
  intent: Place | undefined,
): Outcome['result'] {
  if (!problem) return 'success';
  if (!intent) return 'failure';
  if (upstream?.status === undefined) return 'unknown';
  return upstream.status >= 200 && upstream.status < 300 ? 'success' : 'failure';
}
