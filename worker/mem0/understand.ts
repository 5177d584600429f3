import { parseQuery, QUERY_FAULTS } from '../http/query.ts';
import { Problem, type ProblemCode } from '../problem.ts';
import { unservedIn } from './bridge/unserved.ts';
import type { OriginKind } from './catalogue/types.ts';
import type { Match } from './match.ts';
import { type ValidRequest, validateOperation } from './validate.ts';

/**
 * From the catalogue's answer, the raw query and the parsed body to a request that fits its row. Pure: what is
 * carried out and what is only explained are understood alike.
 * @throws Problem that says how it does not fit.
 */
export function understand(found: Match, rawQuery: string, body: unknown, kind: OriginKind): ValidRequest {
  const { operation, params } = row(found);
  const query = parseQuery(rawQuery);
  if (!query.ok) throw invalid('invalid_query', query.reason, { detail: QUERY_FAULTS[query.reason] });
  const valid = validateOperation(operation, params, query.entries, body, kind);
  if (valid.ok) return served(valid.request);
  throw invalid(valid.in === 'query' ? 'invalid_query' : 'invalid_body', valid.reason, valid);
}

/** What the Platform's dialect knows and a self-hosted Mem0 cannot do is no fault of the request's form. */
function served(request: ValidRequest): ValidRequest {
  const unserved = request.serve === 'translate' ? unservedIn(request) : undefined;
  if (!unserved) return request;
  const { reason, detail, pointer } = unserved;
  throw new Problem('not_served', { reason, decision: 'invalid_request', detail, pointer });
}

function row(found: Match): Extract<Match, { kind: 'row' }> {
  switch (found.kind) {
    case 'row':
      return found;
    case 'bad_parameter':
      throw invalid('invalid_target', found.reason);
    case 'method':
      throw new Problem('method_not_allowed', {
        reason: 'unknown_route',
        decision: 'deny',
        headers: { allow: found.allow.join(', ') },
      });
    case 'unknown':
      throw new Problem('not_found', { reason: 'unknown_route', decision: 'deny' });
  }
}

/** A refusal of the request's form. */
export function invalid(
  code: ProblemCode,
  reason: string,
  more: { readonly detail?: string; readonly pointer?: string } = {},
): Problem {
  return new Problem(code, {
    reason,
    decision: 'invalid_request',
    ...(more.detail === undefined ? {} : { detail: more.detail }),
    ...(more.pointer === undefined ? {} : { pointer: more.pointer }),
  });
}
