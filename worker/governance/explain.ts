import type { Namespace } from '../../core/ids.ts';
import { parseTarget } from '../http/target.ts';
import { carriedBy } from '../mem0/bridge/index.ts';
import type { Operation, OriginKind } from '../mem0/catalogue/types.ts';
import type { Home } from '../mem0/home.ts';
import { type Match, match } from '../mem0/match.ts';
import { scopeRequest } from '../mem0/scope.ts';
import { invalid, understand } from '../mem0/understand.ts';
import type { UpstreamCall } from '../mem0/upstream.ts';
import type { ValidRequest } from '../mem0/validate.ts';
import { judge } from '../policy/judge.ts';
import type { Policy } from '../policy/policy.ts';
import { asProblem, type Problem } from '../problem.ts';
import type { ExplainBody } from './requests.ts';
import type { ExplanationAnswer } from './schemas.ts';

/** The Host of a described request: it is a good one, and it is shown nowhere. */
const HOST = 'gateway';

const NOTHING: ExplanationAnswer = {
  answer: 'refused',
  refusal: null,
  operation: null,
  facts: null,
  decision: null,
  listing: null,
  upstream: null,
  not_evaluated: ['ownership', 'rate', 'session'],
};

/**
 * What would become of a described request in this tenant, from its form alone: matched, validated, decided and
 * scoped by the same code as a real one. Pure: nobody is asked, and nothing is carried out.
 */
export function explain(
  policy: Policy,
  described: ExplainBody,
  { home, now }: { readonly home: Pick<Home, 'space' | 'kind'>; readonly now: number },
): ExplanationAnswer {
  const { method, path, body, roles, mfa = false, country = null, tls = null } = described;
  const { kind, space } = home;
  const { tenant } = space;
  let found: Match | undefined;
  let known = NOTHING;
  try {
    const target = parseTarget(`https://${HOST}${path}`, HOST);
    if (!target.ok) throw invalid('invalid_target', target.reason);
    found = match(method, target.path);
    if (found.kind === 'row') known = { ...known, operation: rowOf(found.operation, kind) };
    if (found.kind === 'row' && found.operation.access === 'public') return { ...known, answer: 'public' };
    const request = understand(found, target.query, body, kind);
    const { input, decision, refusal } = judge(policy, request, { roles, tenant, mfa, now, country, tls });
    known = {
      ...known,
      facts: { ...input },
      decision: {
        allow: decision.allow,
        reasons: [...decision.reasons],
        obligations: { ...decision.obligations },
        policy: decision.digest,
      },
    };
    if (refusal) throw refusal;
    return { ...known, answer: 'allowed', ...callsOf(request, space) };
  } catch (thrown) {
    return { ...known, refusal: refusalOf(asProblem(thrown)) };
  }
}

function rowOf(row: Operation, kind: OriginKind): NonNullable<ExplanationAnswer['operation']> {
  const { id, dialect, method, path, action, access, resource, scope, owner, serve, summary } = row;
  return {
    ...{ id, dialect, method, path, action, access, resource, scope, owner, summary },
    serve: serve[kind],
  };
}

/** What Mem0 would be asked. The gateway's own operations ask it nothing. @throws Problem */
function callsOf(request: ValidRequest, space: Namespace): Pick<ExplanationAnswer, 'listing' | 'upstream'> {
  if (request.serve === 'evaluate') return { listing: null, upstream: null };
  const scoped = carriedBy(request).map((each) => scopeRequest(each, space));
  const lists = scoped[0]?.lists;
  return { upstream: scoped.map(({ call }) => shown(call)), listing: lists ? shown(lists.calls[0]!) : null };
}

/** Method, path, query and body, and nothing else: origin, headers and secrets are nobody's to see. */
function shown({ method, path, query, body }: UpstreamCall): NonNullable<ExplanationAnswer['listing']> {
  const text = new URLSearchParams(query.map(([name, value]) => [name, value])).toString();
  return { method, path, query: text, ...(body === undefined ? {} : { body }) };
}

function refusalOf({ status, code, reason, pointer, detail }: Problem): ExplanationAnswer['refusal'] {
  return { status, code, reason, pointer: pointer ?? null, detail };
}
