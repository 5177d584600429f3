import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Lower-case names, in order; a name sent twice is there twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body as UTF-8 text, unchunked. */
  readonly body: string;
  /** How many answers came: more than one means that the peer saw more than one request. */
  readonly answers: number;
  /** The first value of a header. */
  header(name: string): string | undefined;
}

export interface RawOptions {
  readonly host?: string;
  /** For the whole exchange. */
  readonly timeoutMs?: number;
  /** Sends the bytes in these pieces instead of at once, `gapMs` apart. */
  readonly pieces?: number;
  readonly gapMs?: number;
}

/**
 * Sends bytes as they are over TCP and reads the answer until the peer closes (ask for `Connection: close`)
 * or the time is over. No client stands between, so nothing is normalised.
 *
 * @throws Error when no whole answer came: refused, reset or timed out.
 */
export async function rawRequest(
  port: number,
  bytes: string | Uint8Array,
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { host = '127.0.0.1', timeoutMs = 5000, pieces = 1, gapMs = 10 } = options;
  // One byte a character, so that a test can write any octet as \xNN.
  const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
  const received = await exchange(host, port, timeoutMs, async (write) => {
    const size = Math.max(1, Math.ceil(data.length / pieces));
    for (let at = 0; at < data.length; at += size) {
      if (at > 0) await new Promise((resolve) => setTimeout(resolve, gapMs));
      write(data.subarray(at, at + size));
    }
  });
  const answers = readAnswers(received, data.subarray(0, 5).toString() === 'HEAD ');
  const first = answers[0];
  if (!first) throw new Error(`no whole answer within ${timeoutMs} ms: ${received.length} bytes came`);
  return { ...first, answers: answers.length, header: (name) => headerOf(first.headers, name) };
}

/** A request's text: a target and headers exactly as given, `Connection: close` and the body's length added. */
export function rawText(
  method: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
  body = '',
): string {
  const length = body === '' ? [] : [['Content-Length', String(body.length)]];
  const lines = [...headers, ...length, ['Connection', 'close']].map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** Everything that the peer sends until it closes, fails or the time is over. */
function exchange(
  host: string,
  port: number,
  timeoutMs: number,
  send: (write: (bytes: Buffer) => void) => Promise<void>,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    let failure: Error | undefined;
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      // A peer that refuses a request early may reset after its answer: the answer counts.
      if (failure && chunks.length === 0) reject(failure);
      else resolve(Buffer.concat(chunks));
    });
    socket.on('connect', () => {
      send((bytes) => {
        if (!socket.destroyed) socket.write(bytes);
      }).catch(reject);
    });
  });
}

const NO_BODY = { bytes: Buffer.alloc(0), length: 0 };

type Answer = Pick<RawAnswer, 'status' | 'headers' | 'body'>;

/** The whole answers in a byte stream; interim ones (1xx) are passed over, a cut one is left out. */
function readAnswers(received: Buffer, toHead: boolean): Answer[] {
  const answers: Answer[] = [];
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    if (Number.isNaN(status)) return answers;
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    rest = rest.subarray(end + 4);
    if (status < 200) continue;
    const body = toHead || status === 204 || status === 304 ? NO_BODY : readBody(rest, headers);
    if (!body) return answers;
    answers.push({ status, headers, body: body.bytes.toString('utf8') });
    rest = rest.subarray(body.length);
  }
}

/** The body's bytes and how many of the stream it took; `undefined` when it is cut. */
function readBody(
  rest: Buffer,
  headers: readonly (readonly [string, string])[],
): { readonly bytes: Buffer; readonly length: number } | undefined {
  if (headerOf(headers, 'transfer-encoding') === 'chunked') return readChunks(rest);
  const announced = headerOf(headers, 'content-length');
  if (announced === undefined) return { bytes: rest, length: rest.length };
  const length = Number(announced);
  return length > rest.length ? undefined : { bytes: rest.subarray(0, length), length };
}

function readChunks(rest: Buffer): { readonly bytes: Buffer; readonly length: number } | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = rest.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(rest.subarray(at, line).toString('latin1'), 16);
    const start = line + 2;
    if (Number.isNaN(size) || start + size + 2 > rest.length) return undefined;
    at = start + size + 2;
    if (size === 0) return { bytes: Buffer.concat(chunks), length: at };
    chunks.push(rest.subarray(start, start + size));
  }
}

function headerOf(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  return headers.find(([key]) => key === name.toLowerCase())?.[1];
}
