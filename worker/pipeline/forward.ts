import { upstreamProblem } from '../mem0/failures.ts';
import { unproven } from '../mem0/prove.ts';
import type { UpstreamAnswer } from '../mem0/upstream.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { AuthorizeVars } from './authorize.ts';
import type { ScopeVars } from './scope.ts';
import type { Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface ForwardVars {
  /** What came of the calls that were made, also when the last of them becomes a problem. */
  upstream: readonly UpstreamAnswer[];
}

/**
 * The calls to Mem0, one after the other. A change is recorded as an intent first; if that cannot be made durable,
 * 503. The first call that fails ends a batch.
 */
export function forward(): Stage<
  TransportVars & AuditVars & AuthenticateVars & ValidateVars & AuthorizeVars & ScopeVars,
  ForwardVars
> {
  return async (c, next) => {
    const scoped = c.get('scoped');
    const hold = c.get('hold');
    const { upstream, space } = c.get('home');
    const { traceparent } = c.get('transport');
    const changing = c.get('request').operation.action !== 'read';
    if (upstream.busy) throw new Problem('busy', { reason: 'busy' });
    if (changing) await c.get('recordIntent')();
    const answers: UpstreamAnswer[] = [];
    for (const { call, request } of scoped.calls) {
      const answer = await upstream.call(call, traceparent, hold);
      answers.push(answer);
      c.set('upstream', answers);
      // One that is not there is as one that is another's, whose answer proves no owner.
      if (request.operation.scope === 'answer' && answer.ok && answer.status === 404) throw unproven();
      const problem = upstreamProblem(answer, space, changing);
      if (problem) throw changing ? partly(problem, answers.length - 1, scoped.calls.length) : problem;
    }
    return next();
  };
}

/** Of a batch the caller learns how far it came. */
function partly(problem: Problem, done: number, all: number): Problem {
  if (all === 1) return problem;
  const { code, reason, status, detail, headers } = problem;
  return new Problem(code, {
    ...{ reason, status, headers },
    detail: `${done} of ${all} memories were done before it failed; they are the first ones. ${detail}`,
  });
}
