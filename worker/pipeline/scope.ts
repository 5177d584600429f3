import { tokensOf } from '../audit/personal.ts';
import { carriedBy } from '../mem0/bridge/index.ts';
import { type Listed, listTouched, proveExport, proveOwners } from '../mem0/prove.ts';
import { type ScopedRequest, scopeRequest } from '../mem0/scope.ts';
import type { UpstreamCall } from '../mem0/upstream.ts';
import type { ValidRequest } from '../mem0/validate.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { AuthorizeVars } from './authorize.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';
import type { ValidateVars } from './validate.ts';

/** A request in the dialect of the origin, and the call that it is inside its tenant. */
export interface ScopedCall {
  readonly request: ValidRequest;
  readonly call: UpstreamCall;
}

export interface ScopeVars {
  scoped: {
    /** One, or one for each memory of a batch; carried out in this order. */
    readonly calls: readonly ScopedCall[];
    /** Memory ids that the request names or a delete will touch, all proven to be the tenant's. */
    readonly proven: readonly string[];
    /** A delete by filter may touch more rows than can be listed; `proven` holds those that were. */
    readonly cut: boolean;
    /** Rows of other owners in that listing. */
    readonly withheld: number;
    /** The ids that the record names: memory ids, and tokens for the ids of users, agents and runs. */
    readonly touched: readonly string[];
  };
}

const NOTHING: Listed = { memoryIds: [], withheld: 0 };

/**
 * Rewrites ids into the tenant's namespace and proves owners. The reads that this takes are covered by the
 * allow, and nothing of them is released. What a delete will remove is durable in OwnerIndex before it goes on.
 */
export function scope({
  owners,
  personal,
}: Parts): Stage<TransportVars & AuditVars & AuthenticateVars & ValidateVars & AuthorizeVars, ScopeVars> {
  return async (c, next) => {
    const transport = c.get('transport');
    const hold = c.get('hold');
    const request = c.get('request');
    const home = c.get('home');
    const { tenant } = home.space;
    const requests = carriedBy(request);
    if (home.upstream.busy) throw new Problem('busy', { reason: 'busy' });
    const scoped = requests.map((each) => scopeRequest(each, home.space));
    const tokens = await tokensOf(
      personal,
      tenant,
      scoped.flatMap(({ entityIds }) => entityIds),
    );
    const asking = { home, owners, traceparent: transport.traceparent, hold };
    const proves = [...new Set(scoped.flatMap((each) => each.proves))];
    const afterDelete = requests.some(({ operation }) => operation.afterDelete === true);
    await proveOwners(asking, proves, afterDelete);
    for (const { exported } of scoped) if (exported !== undefined) await proveExport(asking, exported);
    const lists = scoped.flatMap((each) => each.lists ?? [])[0] as ScopedRequest['lists'];
    const listed = lists ? await listTouched(asking, lists.operation, lists.calls) : NOTHING;
    const proven = [...proves, ...listed.memoryIds];
    c.set('scoped', {
      calls: scoped.map(({ call }, at) => ({ call, request: requests[at]! })),
      proven,
      cut: lists !== undefined && listed.memoryIds.length + listed.withheld >= lists.most,
      withheld: listed.withheld,
      touched: [...proven, ...tokens],
    });
    if (listed.problem) throw listed.problem;
    if (request.operation.action === 'delete' && proven.length > 0) {
      await owners.register(tenant, 'memory', proven).catch(() => {
        throw new Problem('owners_unavailable', { reason: 'owners_unavailable' });
      });
    }
    return next();
  };
}
