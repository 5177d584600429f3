import type { Context } from 'hono';
import { match } from '../mem0/match.ts';
import type { Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';

export interface OpenVars {
  /** Why the caller of a public row that takes proof is a stranger: it is refused and recorded as one. */
  stranger?: string;
}

/** Serves a public row of the catalogue; holds nothing of a tenant. `undefined`: the caller is a stranger to it. */
export type PublicHandler = (
  c: Context<{ Variables: TransportVars & OpenVars }>,
) => Response | Promise<Response | undefined>;

/**
 * Answers the catalogue's public rows: a fixed list, served after transport, without a record. Everything
 * else goes on to be governed.
 */
export function open(handlers: {
  readonly [operation: string]: PublicHandler;
}): Stage<TransportVars, OpenVars> {
  return async (c, next) => {
    const { target, insecure } = c.get('transport');
    if (!target.ok || insecure !== undefined) return next();
    const found = match(c.req.raw.method, target.path);
    if (found.kind !== 'row' || found.operation.access !== 'public') return next();
    const handler = handlers[found.operation.id];
    const answer = await handler?.(c);
    return answer ?? next();
  };
}
