import { type Match, match } from '../mem0/match.ts';
import { Problem } from '../problem.ts';
import type { Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';

export interface ResolveVars {
  /** The catalogue's answer. Absence of a row is noted here and refused after the body was looked at. */
  match: Match;
}

/** Request target → exactly one catalogue row, or the note that there is none. */
export function resolve(): Stage<TransportVars, ResolveVars> {
  return async (c, next) => {
    const { target } = c.get('transport');
    if (!target.ok) {
      throw new Problem('invalid_target', { reason: target.reason, decision: 'invalid_request' });
    }
    const found = match(c.req.raw.method, target.path);
    c.set('match', found);
    return next();
  };
}
