import type { Decision } from '../core/record.ts';

/**
 * Every problem that the gateway answers with: its HTTP status, its title, and what the caller can do. The
 * code is stable; the reason that led to it is in the audit record and never in the answer.
 */
export const PROBLEMS = {
  invalid_target: [400, 'The request target is not acceptable', 'Send a plain, once-encoded path.'],
  invalid_header: [
    400,
    'A request header is not acceptable',
    'X-Tenant-Id is one tenant id and X-User-Role one role, each sent once.',
  ],
  invalid_query: [400, 'The query is not acceptable', undefined],
  invalid_body: [400, 'The body is not acceptable', undefined],
  tenant_required: [
    400,
    'The token grants several tenants',
    'Name the tenant of this request in X-Tenant-Id.',
  ],
  context_required: [400, 'Context headers are required', 'Send X-Tenant-Id and X-User-Role.'],
  unauthenticated: [401, 'Authentication is required', 'Send a valid access token.'],
  insecure_transport: [403, 'The connection is not secure enough', 'Use https with TLS 1.2 or later.'],
  forbidden: [
    403,
    'Not allowed',
    'Not allowed. The record of this request says why: give its id to whoever may read the audit log.',
  ],
  not_a_witness: [
    403,
    'No witness of this gateway signed this',
    'Sign a checkpoint of this gateway, as it is, with a key that the gateway knows.',
  ],
  not_found: [404, 'Not found', 'Check the path, and the ids in it.'],
  record_archived: [410, 'The record has been archived', undefined],
  method_not_allowed: [405, 'Method not allowed', 'See the Allow header.'],
  payload_too_large: [413, 'The body is too large', undefined],
  unsupported_media_type: [415, 'Unsupported media type', 'Send UTF-8 application/json, not encoded.'],
  rate_limited: [429, 'Too many requests', 'Wait as long as Retry-After says.'],
  internal: [500, 'The gateway failed', 'Try again; give the request id when you report it.'],
  not_served: [501, 'Not served by this gateway', undefined],
  upstream_refused: [400, 'Mem0 refused the request', undefined],
  upstream_unreachable: [502, 'Mem0 could not be reached', 'Try again later.'],
  upstream_failed: [
    502,
    'Mem0 failed',
    'Try again later. If it fails every time, a filter compares a text with a number, or one of the memories is damaged: the troubleshooting page says how to mend it.',
  ],
  upstream_unreadable: [
    502,
    'Mem0 gave an answer that cannot be passed on',
    'Read the memory before you repeat a change. If it fails every time, give the request id when you report it.',
  ],
  upstream_timeout: [504, 'Mem0 did not answer in time', 'Try again later.'],
  misconfigured: [503, 'The gateway is not configured', 'Its log lists every bad setting.'],
  keys_unavailable: [503, 'Tokens cannot be verified at the moment', 'Try again later.'],
  gate_unavailable: [503, 'The rate limit cannot be checked at the moment', 'Try again later.'],
  owners_unavailable: [503, 'Ownership cannot be checked at the moment', 'Try again later.'],
  vault_unavailable: [503, 'Personal values cannot be replaced at the moment', 'Try again later.'],
  audit_unavailable: [503, 'The request could not be recorded, so it is refused', 'Try again later.'],
  audit_unreadable: [503, 'The audit log cannot be read at the moment', 'Try again later.'],
  proof_unavailable: [503, 'The proof cannot be made at the moment', 'Try again later.'],
  audit_outcome_unrecorded: [
    503,
    'The change may have happened, but its outcome could not be recorded',
    'Read the memory before you repeat the change; Audit-Record names the recorded intent.',
  ],
  busy: [503, 'The gateway holds too much at the moment', 'Try again in a moment.'],
  answer_not_read: [
    503,
    'Mem0 was asked, but its answer could not be held',
    'Read the memory before you repeat the change.',
  ],
} as const satisfies { [code: string]: readonly [number, string, string | undefined] };

export type ProblemCode = keyof typeof PROBLEMS;

export interface ProblemInit {
  /** The tagged reason for the record. */
  readonly reason: string;
  readonly decision?: Decision;
  /** What the caller may read beyond the title. Holds no reason that would tell an attacker anything. */
  readonly detail?: string;
  /** Only for a status that Mem0 chose. */
  readonly status?: number;
  readonly headers?: { readonly [name: string]: string };
  /**
   * Where the body or the query is at fault, as a JSON pointer of the schemas' own names and of positions. It is
   * recorded and told to the caller. Never a value that the caller sent.
   */
  readonly pointer?: string;
}

/** A refusal or failure on the way of a request: rich for the record, vague for the caller. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly reason: string;
  readonly decision: Decision | undefined;
  readonly detail: string;
  readonly headers: { readonly [name: string]: string };
  readonly pointer: string | undefined;

  constructor(code: ProblemCode, init: ProblemInit) {
    super(`${code}: ${init.reason}`);
    this.name = 'Problem';
    this.code = code;
    this.status = init.status ?? PROBLEMS[code][0];
    this.reason = init.reason;
    this.decision = init.decision;
    this.detail = init.detail ?? PROBLEMS[code][2] ?? PROBLEMS[code][1];
    this.headers = init.headers ?? {};
    this.pointer = init.pointer;
  }
}

/** Whatever was thrown, as a Problem. Libraries throw strings, too. */
export function asProblem(thrown: unknown): Problem {
  return thrown instanceof Problem ? thrown : new Problem('internal', { reason: 'internal_error' });
}

/**
 * The answer for a problem (RFC 9457). Mem0's SDKs read `detail` from an `application/json` body only, so
 * callers on Mem0's paths get that type unless they accept `application/problem+json`.
 */
export function renderProblem(problem: Problem, requestId: string, plainJson: boolean): Response {
  const body = {
    type: `urn:mem0-governance:problem:${problem.code}`,
    title: PROBLEMS[problem.code][1],
    status: problem.status,
    detail: problem.detail,
    code: problem.code,
    request_id: requestId,
    ...(problem.pointer === undefined ? {} : { pointer: problem.pointer }),
  };
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: {
      ...problem.headers,
      'content-type': plainJson ? 'application/json' : 'application/problem+json',
    },
  });
}
