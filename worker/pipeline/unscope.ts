import { checkAnswer } from '../mem0/answers.ts';
import { unproven } from '../mem0/prove.ts';
import { Problem } from '../problem.ts';
import type { AuthenticateVars } from './authenticate.ts';
import type { ForwardVars } from './forward.ts';
import type { ScopeVars } from './scope.ts';
import type { Stage } from './stage.ts';
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
export function unscope(): Stage<AuthenticateVars & ValidateVars & ScopeVars & ForwardVars, UnscopeVars> {
  return async (c) => {
    const { request, principal, scoped, upstream } = c.var;
    const json = upstream.ok ? upstream.json : undefined;
    const checked = checkAnswer(request.operation, principal.tenant, json, {
      proven: scoped.proven,
      asked: request.params.memory_id,
    });
    if (!checked.ok && checked.reason === 'owner_unproven') throw unproven();
    if (!checked.ok) throw new Problem('upstream_unreadable', { reason: checked.reason });
    c.set('checked', { memoryIds: checked.memoryIds, withheld: checked.withheld });
    return c.json(checked.body as object);
  };
}
