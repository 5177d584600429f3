import type { GateAnswer } from '../../core/rpc.ts';
import { rateHeaders } from '../http/ratelimit.ts';
import { log } from '../log.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface AdmitVars {
  admission: GateAnswer;
}

/** One call to the actor's gate. If it cannot answer, nothing goes on. */
export function admit({
  gate,
}: Parts): Stage<TransportVars & AuditVars & AuthenticateVars & ValidateVars, AdmitVars> {
  return async (c, next) => {
    const id = c.get('transport').requestId;
    const answer = await gate.admit(
      c.get('principal'),
      {
        id,
        kind: 'request',
        weight: c.get('request').weight,
      },
      c.get('waits'),
    );
    if (answer === undefined) {
      log('gate_unavailable', { request_id: id });
      throw new Problem('gate_unavailable', { reason: 'gate_unavailable' });
    }
    c.set('admission', answer);
    const headers = rateHeaders(answer, gate.windowMs);
    if (!answer.admitted) {
      throw new Problem('rate_limited', { reason: 'rate_limited', decision: 'rate_limited', headers });
    }
    await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  };
}
