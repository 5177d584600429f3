import type { Namespace } from '../../core/ids.ts';
import { Problem, type ProblemCode } from '../problem.ts';
import { unscopeText } from './unscope-text.ts';
import type { UpstreamAnswer, UpstreamFailure } from './upstream.ts';

const CODES: { readonly [F in UpstreamFailure]: ProblemCode } = {
  unreachable: 'upstream_unreachable',
  timeout: 'upstream_timeout',
  redirect: 'upstream_unreadable',
  not_json: 'upstream_unreadable',
  too_large: 'upstream_unreadable',
  busy: 'busy',
  too_many_calls: 'internal',
};

/** Mem0 changes one row after the other, and undoes none when it fails. */
const HALFWAY = 'Part of the change may be done. Read what is there before you repeat it.';

/** After these nobody knows, or Mem0 has done it and what it said of it cannot be read. */
const UNSURE: ReadonlySet<UpstreamFailure> = new Set(['unreachable', 'timeout', 'not_json', 'too_large']);
const MAYBE = 'The change may have been made. Read what is there before you repeat it.';

/**
 * The problem that an answer of Mem0 amounts to, or `undefined` when it can be passed on. From a 4xx only
 * the status and a string `detail` pass, without the tenant's prefix; a 5xx gets the gateway's own text.
 * @param changing the call may have changed something, so the caller must not be told that nothing happened.
 */
export function upstreamProblem(
  answer: UpstreamAnswer,
  space: Namespace,
  changing: boolean,
): Problem | undefined {
  if (!answer.ok) {
    const reason = `upstream_${answer.failure}`;
    if (answer.failure === 'busy' && changing) return new Problem('answer_not_read', { reason });
    const detail = changing && UNSURE.has(answer.failure) ? { detail: MAYBE } : {};
    return new Problem(CODES[answer.failure], { reason, ...detail });
  }
  const { status, json } = answer;
  if (status < 300) return undefined;
  if (status >= 500) {
    return new Problem('upstream_failed', {
      reason: 'upstream_5xx',
      ...(changing ? { detail: HALFWAY } : {}),
    });
  }
  // Mem0's 401 and 403 speak about the gateway's own key, which is no concern of the caller's.
  if (status === 401 || status === 403 || status < 400) {
    return new Problem('upstream_failed', { reason: `upstream_${status}` });
  }
  if (status === 404) return new Problem('not_found', { reason: 'upstream_404' });
  const detail = (json as { detail?: unknown } | null | undefined)?.detail;
  return new Problem('upstream_refused', {
    reason: 'upstream_4xx',
    status,
    ...(typeof detail === 'string' ? sayable(space, detail) : {}),
  });
}

/** A namespaced id that is left in a text is another tenant's, and then nothing of the text is passed on. */
const NAMESPACED = /[A-Za-z0-9._-]:[A-Za-z0-9._~@%-]/;

function sayable(space: Namespace, detail: string): { readonly detail?: string } {
  const text = unscopeText(space, detail);
  return !space.raw && NAMESPACED.test(text) ? {} : { detail: text };
}
