import type { GateAnswer, GateRequest } from '../../core/rpc.ts';

export const KINDS = ['request', 'invalid'] as const satisfies readonly GateRequest['kind'][];
export type Kind = (typeof KINDS)[number];

/** The longest window, a day: a longer one is a mistake, and would keep its stamps for as long. */
const MAX_WINDOW_MS = 86_400_000;
const MAX_ID_LENGTH = 128;
/** What a refusal names when the request names no usable window. */
const FALLBACK_WINDOW_MS = 60_000;

const whole = (value: unknown, min: number, max: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

/** Whether every member is of its type and in range. The weight may still be above the limit. */
export function isSane(request: GateRequest): boolean {
  return (
    typeof request === 'object' &&
    request !== null &&
    typeof request.id === 'string' &&
    request.id.length > 0 &&
    request.id.length <= MAX_ID_LENGTH &&
    KINDS.includes(request.kind) &&
    whole(request.limit, 0, Number.MAX_SAFE_INTEGER) &&
    whole(request.weight, 1, Number.MAX_SAFE_INTEGER) &&
    whole(request.windowMs, 1, MAX_WINDOW_MS)
  );
}

/** The refusal of a request that no passing of time can make right. */
export function impossible(request: Partial<GateRequest> | null | undefined): GateAnswer {
  const windowMs = whole(request?.windowMs, 1, MAX_WINDOW_MS) ? request.windowMs : FALLBACK_WINDOW_MS;
  const limit = whole(request?.limit, 0, Number.MAX_SAFE_INTEGER) ? request.limit : 0;
  return { admitted: false, limit, remaining: 0, resetMs: windowMs, retryAfterMs: windowMs };
}
