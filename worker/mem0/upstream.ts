import type { Json } from '../../core/canonical.ts';
import type { OriginKind } from './catalogue/types.ts';
import type { Hold, InflightBytes } from './inflight.ts';

/** A call as Mem0 gets it: rebuilt from validated data, ids already in the tenant's namespace. */
export interface UpstreamCall {
  readonly method: string;
  /** Percent-encoded path. */
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly body?: Json;
}

/** What came of a call. `status` is there as soon as Mem0's status was seen, whatever became of the body. */
export type UpstreamAnswer =
  | { readonly ok: true; readonly status: number; readonly json: unknown; readonly latencyMs: number }
  | {
      readonly ok: false;
      readonly failure: UpstreamFailure;
      readonly status?: number;
      readonly latencyMs: number;
    };

export type UpstreamFailure =
  | 'unreachable'
  | 'timeout'
  | 'redirect'
  | 'not_json'
  | 'too_large'
  /** The isolate holds too many answer bytes; reading stopped. */
  | 'busy'
  /** The request has made as many calls as the platform allows. */
  | 'too_many_calls';

export interface UpstreamOptions {
  readonly kind: OriginKind;
  readonly origin: string;
  readonly apiKey: string;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly inflight: InflightBytes;
  readonly fetch: typeof fetch;
}

/** Where a Mem0 of a kind looks for its key. */
const KEY_HEADERS: { readonly [K in OriginKind]: (key: string) => { readonly [name: string]: string } } = {
  oss: (key) => ({ 'x-api-key': key }),
  platform: (key) => ({ authorization: `Token ${key}` }),
};

/**
 * Calls Mem0 with the gateway's own key and an allow-list of headers: nothing of the client's request but
 * `traceparent` goes along. Never follows a redirect, never retries, and reads the answer whole within the
 * bounds before anyone looks at it. The held bytes are given back through `release`.
 */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #headers: { readonly [name: string]: string };

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#headers = { accept: 'application/json', ...KEY_HEADERS[options.kind](options.apiKey) };
  }

  /** Whether an answer could be held at all; asked before anything is forwarded. */
  get busy(): boolean {
    return this.#options.inflight.full;
  }

  /** @param hold counts the call and what its answer holds, which is given back when the answer has been released. */
  async call(call: UpstreamCall, traceparent: string | undefined, hold: Hold): Promise<UpstreamAnswer> {
    const { origin, timeoutMs } = this.#options;
    const started = Date.now();
    const signal = hold.waits.signal(timeoutMs);
    const query = call.query.length === 0 ? '' : `?${new URLSearchParams(call.query as [string, string][])}`;
    let status: number | undefined;
    const failed = (failure: UpstreamFailure): UpstreamAnswer => ({
      ok: false,
      failure,
      ...(status === undefined ? {} : { status }),
      latencyMs: Date.now() - started,
    });
    if (!hold.call()) return failed('too_many_calls');
    try {
      const response = await this.#options.fetch(`${origin}${call.path}${query}`, {
        method: call.method,
        redirect: 'manual',
        cache: 'no-store',
        signal,
        headers: {
          ...this.#headers,
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(traceparent === undefined ? {} : { traceparent }),
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      status = response.status;
      if (status >= 300 && status < 400) {
        await response.body?.cancel();
        return failed('redirect');
      }
      const bytes = await this.#read(response, hold);
      if (typeof bytes === 'string') return failed(bytes);
      const json = parse(bytes);
      if (json === undefined && status < 400) return failed('not_json');
      return { ok: true, status, json, latencyMs: Date.now() - started };
    } catch {
      return failed(signal.aborted ? 'timeout' : 'unreachable');
    }
  }

  async #read(response: Response, hold: Hold): Promise<Uint8Array | 'too_large' | 'busy'> {
    const { maxAnswerBytes } = this.#options;
    const length = lengthOf(response);
    if (length !== undefined) {
      if (length <= maxAnswerBytes && hold.take(length)) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
      return length > maxAnswerBytes ? 'too_large' : 'busy';
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    if (!response.body) return new Uint8Array();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > maxAnswerBytes || !hold.take(value.length)) {
        await reader.cancel().catch(() => undefined);
        return size > maxAnswerBytes ? 'too_large' : 'busy';
      }
      chunks.push(value);
    }
    return Buffer.concat(chunks, size);
  }
}

/** With these a body is longer than its Content-Length when it is read (RFC 9112 §6.3: chunks overrule it). */
const CODINGS = ['content-encoding', 'transfer-encoding'];

/** How many bytes a body has, when that is certain. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length') ?? '';
  const isPlain = /^\d{1,15}$/.test(length) && !CODINGS.some((name) => headers.has(name));
  return isPlain ? Number(length) : undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
}
