/** Why a body's declared type is not acceptable. */
export type TypeFault = 'content_type_missing' | 'content_type' | 'content_encoding';

export type TypeCheck = { readonly ok: true } | { readonly ok: false; readonly reason: TypeFault };

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

/**
 * Content-Type (RFC 9110 §8.3): `application/json`, with no parameter but `charset=utf-8`. Two headers
 * arrive joined by a comma and are refused like any other type.
 */
export function checkContentType(value: string | null): TypeCheck {
  if (value === null || value === '') return { ok: false, reason: 'content_type_missing' };
  return JSON_TYPE.test(value) ? { ok: true } : { ok: false, reason: 'content_type' };
}

/** Content-Encoding (RFC 9110 §8.4): none. The runtime does not decode, and neither do we. */
export function checkContentEncoding(value: string | null): TypeCheck {
  const none = value === null || value === '' || value.toLowerCase() === 'identity';
  return none ? { ok: true } : { ok: false, reason: 'content_encoding' };
}

export type ReadBody =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** `broken`: the stream failed, was aborted or held something that is not bytes. */
  | { readonly ok: false; readonly reason: 'too_large' | 'broken' };

/**
 * Reads a body of a length that is known and within bounds: the runtime holds it to its Content-Length (RFC 9112 §6.3), and
 * one that is longer all the same is `broken`. When `signal` aborts, what is still to come of it is nobody's.
 */
export async function readWhole(request: Request, length: number, signal: AbortSignal): Promise<ReadBody> {
  const broken = { ok: false, reason: 'broken' } as const;
  if (signal.aborted) return broken;
  const late = new Promise<ReadBody>((resolve) => {
    signal.addEventListener('abort', () => resolve(broken), { once: true });
  });
  const whole = request.arrayBuffer().then(
    (bytes): ReadBody => (bytes.byteLength > length ? broken : { ok: true, bytes: new Uint8Array(bytes) }),
    () => broken,
  );
  return Promise.race([whole, late]);
}

const FIRST_BUFFER = 16 * 1024;

/**
 * Reads a body of at most `max` bytes whose length nobody has said. What it holds never exceeds about twice that, however
 * small the pieces are in which the body arrives; past the bound, or when `signal` aborts, the stream is cancelled.
 */
export async function readBody(
  stream: ReadableStream<Uint8Array> | null,
  max: number,
  signal?: AbortSignal,
): Promise<ReadBody> {
  if (stream === null) return { ok: true, bytes: new Uint8Array(0) };
  if (stream.locked) return { ok: false, reason: 'broken' };
  const reader = stream.getReader();
  // Not awaited: a source that never finishes cancelling must not hold up the answer.
  const cancel = () => void reader.cancel().catch(() => {});
  signal?.addEventListener('abort', cancel, { once: true });
  let buffer = new Uint8Array(Math.min(FIRST_BUFFER, max));
  let length = 0;
  try {
    for (;;) {
      if (signal?.aborted) break;
      const { done, value } = await reader.read();
      if (signal?.aborted) break;
      if (done) return { ok: true, bytes: buffer.subarray(0, length) };
      if (!(value instanceof Uint8Array)) break;
      if (length + value.length > max) {
        cancel();
        return { ok: false, reason: 'too_large' };
      }
      if (length + value.length > buffer.length) buffer = grown(buffer, length, length + value.length, max);
      buffer.set(value, length);
      length += value.length;
    }
  } catch {
    return { ok: false, reason: 'broken' };
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
  cancel();
  return { ok: false, reason: 'broken' };
}

function grown(buffer: Uint8Array, length: number, needed: number, max: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(max, Math.max(needed, buffer.length * 2)));
  larger.set(buffer.subarray(0, length));
  return larger;
}
