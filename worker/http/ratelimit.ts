import { serializeList } from 'structured-headers';
import type { GateAnswer } from '../../core/rpc.ts';

/** The name of the policy in the RateLimit fields: one window per actor. */
const POLICY = 'actor';

/**
 * The headers of a gate's answer: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11,
 * structured fields), the X-RateLimit-* that Mem0's SDKs read as integers, and on a refusal Retry-After
 * (RFC 9110 §10.2.3). Times are seconds from now, rounded up, so that nobody comes back too early.
 */
export function rateHeaders(answer: GateAnswer, windowMs: number): { readonly [name: string]: string } {
  const reset = seconds(answer.resetMs);
  const policy = { q: answer.limit, w: seconds(windowMs) };
  const state = { r: answer.remaining, t: reset };
  return {
    'ratelimit-policy': field(policy),
    ratelimit: field(state),
    'x-ratelimit-limit': String(answer.limit),
    'x-ratelimit-remaining': String(answer.remaining),
    'x-ratelimit-reset': String(reset),
    ...(answer.admitted ? {} : { 'retry-after': String(Math.max(1, seconds(answer.retryAfterMs))) }),
  };
}

function field(parameters: { readonly [key: string]: number }): string {
  return serializeList([[POLICY, new Map(Object.entries(parameters))]]);
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
