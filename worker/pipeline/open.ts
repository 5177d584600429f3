import type { Context } from 'hono';
import { OPERATIONS } from '../mem0/catalogue/index.ts';
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

const firstOf = (path: string) => path.split('/', 2)[1] ?? '';

/** The first segments of public rows: a path with another one need not be matched to know that it is governed. */
const PUBLIC: ReadonlySet<string> = new Set(
  OPERATIONS.filter(({ access }) => access === 'public').map(({ path }) => firstOf(path)),
);

/**
 * Answers the catalogue's public rows: a fixed list, served after transport, without a record. Everything
 * else goes on to be governed.
 */
export function open(handlers: {
  readonly [operation: string]: PublicHandler;
}): Stage<TransportVars, OpenVars> {
  return async (c, next) => {
    const { target, insecure } = c.get('transport');
    if (!target.ok || insecure !== undefined || !PUBLIC.has(firstOf(target.path))) return next();
    const found = match(c.req.raw.method, target.path);
    if (found.kind !== 'row' || found.operation.access !== 'public') return next();
    const handler = handlers[found.operation.id];
    const answer = await handler?.(c);
    return answer ?? next();
  };
}
