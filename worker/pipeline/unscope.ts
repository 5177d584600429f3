import { checkAnswer } from '../mem0/answers.ts';
import { translationOf } from '../mem0/bridge/index.ts';
import { unproven } from '../mem0/prove.ts';
import type { Owners } from '../owners.ts';
import { Problem } from '../problem.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { ForwardVars } from './forward.ts';
import type { ScopeVars } from './scope.ts';
import type { Parts, Stage } from './stage.ts';
import type { Transport, TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

export interface UnscopeVars {
  checked: {
    /** Memory ids in the answer. */
    readonly memoryIds: readonly string[];
    /** Rows of other owners that were withheld. */
    readonly withheld: number;
  };
}

/** Checks every row of the answer by its operation's rule and restores the ids. */
export function unscope({
  config,
  owners,
}: Parts): Stage<TransportVars & AuthenticateVars & ValidateVars & ScopeVars & ForwardVars, UnscopeVars> {
  return async (c) => {
    const { request, principal, scoped, upstream, transport } = c.var;
    const json = upstream.ok ? upstream.json : undefined;
    const checked = checkAnswer(scoped.request.operation, principal.tenant, json, {
      proven: scoped.proven,
      asked: scoped.request.params.memory_id,
    });
    if (!checked.ok && checked.reason === 'owner_unproven') throw unproven();
    if (!checked.ok) throw new Problem('upstream_unreadable', { reason: checked.reason });
    c.set('checked', { memoryIds: checked.memoryIds, withheld: checked.withheld });
    const translation = translationOf(request);
    if (!translation) return c.json(checked.body as object);
    const eventId = crypto.randomUUID();
    const origin = originOf(transport, config.TRANSPORT);
    const body = translation.fromOss(checked.body, request, { origin, eventId });
    // Issued to this tenant before anybody can ask for it.
    if (translation.event) await registerEvent(owners, principal.tenant, eventId);
    return c.json(body as object);
  };
}

/** Where the client reached the gateway, for the links in an answer. */
function originOf({ target }: Transport, kind: 'edge' | 'loopback'): string {
  const host = target.ok ? target.host : '';
  return `${kind === 'edge' ? 'https' : 'http'}://${host}`;
}

async function registerEvent(owners: Owners, tenant: string, id: string): Promise<void> {
  await owners.register(tenant, 'event', [id]).catch(() => {
    throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
  });
}
