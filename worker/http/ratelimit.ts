import type { GateAnswer } from '../../core/rpc.ts';

/**
 * The headers of a gate's answer: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11; structured
 * fields of one policy, `actor`, with whole numbers), the X-RateLimit-* that Mem0's SDKs read as integers, and on a
 * refusal Retry-After (RFC 9110 §10.2.3). Times are seconds from now, rounded up, so that nobody comes back too early.
 */
export function rateHeaders(answer: GateAnswer, windowMs: number): { readonly [name: string]: string } {
  const reset = seconds(answer.resetMs);
  return {
    'ratelimit-policy': `"actor";q=${answer.limit};w=${seconds(windowMs)}`,
    ratelimit: `"actor";r=${answer.remaining};t=${reset}`,
    'x-ratelimit-limit': String(answer.limit),
    'x-ratelimit-remaining': String(answer.remaining),
    'x-ratelimit-reset': String(reset),
    ...(answer.admitted ? {} : { 'retry-after': String(Math.max(1, seconds(answer.retryAfterMs))) }),
  };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
