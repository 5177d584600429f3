import { rateHeaders } from '../http/ratelimit.ts';
import { asProblem, Problem } from '../problem.ts';
import type { AdmitVars } from './admit.ts';
import { dropAnswer } from './answer.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';

/**
 * Counts refusals of an authenticated actor before `admit` in the gate's second window: they cost no rate
 * budget, yet past the window's size they are answered 429. If the gate fails, the refusal stands.
 */
export function meter({
  gate,
}: Parts): Stage<TransportVars & AuditVars & Partial<AuthenticateVars> & Partial<AdmitVars>> {
  return async (c, next) => {
    await next();
    const identity = c.get('identity');
    if (c.error === undefined || identity === undefined || c.get('admission') !== undefined) return;
    if (asProblem(c.error).decision === undefined) return;
    const answer = await gate.admit(
      identity,
      {
        id: c.get('transport').requestId,
        kind: 'invalid',
        weight: 1,
      },
      c.get('waits'),
    );
    if (answer === undefined || answer.admitted) return;
    dropAnswer(c);
    throw new Problem('rate_limited', {
      reason: 'too_many_invalid_requests',
      decision: 'rate_limited',
      headers: rateHeaders(answer, gate.windowMs),
    });
  };
}
