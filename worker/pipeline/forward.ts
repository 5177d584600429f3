import type { Receipt } from '../audit/recorder.ts';
import { upstreamProblem } from '../mem0/failures.ts';
import type { UpstreamAnswer } from '../mem0/upstream.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { AuthorizeVars } from './authorize.ts';
import type { ScopeVars } from './scope.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface ForwardVars {
  /** The durable intent of a write or delete; set before Mem0 is asked to change anything. */
  intent?: Receipt;
  /** What came of the call, also when it becomes a problem. */
  upstream: UpstreamAnswer;
}

/** The call to Mem0. A change is recorded as an intent first; if that cannot be made durable, 503. */
export function forward({
  upstream,
}: Parts): Stage<
  TransportVars & AuditVars & AuthenticateVars & ValidateVars & AuthorizeVars & ScopeVars,
  ForwardVars
> {
  return async (c, next) => {
    const { request, scoped, transport, principal } = c.var;
    const { action } = request.operation;
    const changing = action !== 'read';
    if (upstream.busy) throw new Problem('busy', { reason: 'busy' });
    if (changing) c.set('intent', await c.var.recordIntent());
    const answer = await upstream.call(scoped.call, transport.traceparent, c.var.hold);
    c.set('upstream', answer);
    const problem = upstreamProblem(answer, principal.tenant, changing);
    if (problem) throw problem;
    return next();
  };
}
