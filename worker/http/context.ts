/** The request headers that say something about the request itself, read once. */
export interface HeaderContext {
  /** The client's own request id. */
  readonly correlation?: string;
  /** W3C Trace Context, passed on as it came. */
  readonly traceparent?: string;
  /** The client's software, as it names itself; at most 256 characters of it. */
  readonly userAgent?: string;
  /** The caller takes `application/problem+json`. */
  readonly acceptsProblem: boolean;
}

const MAX_USER_AGENT = 256;

const CORRELATION = /^[A-Za-z0-9._-]{1,64}$/;

/** W3C Trace Context §3.2: version 00, neither the trace id nor the parent id all zero. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A header that is not well-formed, or came twice, counts as absent: none of them is worth a refusal. */
export function readHeaders(headers: Headers): HeaderContext {
  const correlation = wellFormed(headers.get('x-request-id'), CORRELATION);
  const traceparent = wellFormed(headers.get('traceparent'), TRACEPARENT);
  const userAgent = headers.get('user-agent')?.slice(0, MAX_USER_AGENT).toWellFormed();
  return {
    ...(correlation === undefined ? {} : { correlation }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(userAgent ? { userAgent } : {}),
    acceptsProblem: acceptsProblem(headers.get('accept')),
  };
}

function wellFormed(value: string | null, form: RegExp): string | undefined {
  return value !== null && form.test(value) ? value : undefined;
}

/**
 * Whether Accept (RFC 9110 §12.5.1) names the problem type itself, with a weight above 0. Wildcards do not
 * count: every client sends them, and Mem0's SDKs read only `application/json`.
 */
function acceptsProblem(accept: string | null): boolean {
  if (accept === null || accept.length > 1024) return false;
  return accept.split(',').some((range) => {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'application/problem+json' && !parameters.some((part) => /^q=0(?:\.0{0,3})?$/.test(part));
  });
}
