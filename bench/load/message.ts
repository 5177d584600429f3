const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('0\r\n\r\n');

/**
 * Finds the end of HTTP/1.1 messages on a connection where one is under way at a time. It looks at Content-Length and
 * at chunks and at nothing else: what parses as a client or server does would cost more than what is measured.
 */
export class MessageReader {
  #held: Buffer | undefined;

  /**
   * The message once it is whole; `undefined` while more must come.
   * @throws Error when there is more than one.
   */
  push(chunk: Buffer): Buffer | undefined {
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    const end = endOf(bytes);
    if (end === undefined || end > bytes.length) {
      this.#held = bytes;
      return undefined;
    }
    if (end < bytes.length) throw new Error('more than one message');
    this.#held = undefined;
    return bytes;
  }
}

/** The index behind the message, as far as it can be known. Without a length it has no body. */
function endOf(bytes: Buffer): number | undefined {
  const head = bytes.indexOf(HEAD_END);
  if (head < 0) return undefined;
  const text = bytes.toString('latin1', 0, head + 2);
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(text);
  if (length) return head + 4 + Number(length[1]);
  if (!/\r\ntransfer-encoding: *chunked\r\n/i.test(text)) return head + 4;
  // Only the last chunk ends so: what is sent here is JSON on one line.
  const ends = bytes.length > 5 && bytes.subarray(bytes.length - 5).equals(CHUNKS_END);
  return ends ? bytes.length : undefined;
}

/** The status of an answer: "HTTP/1.1 200". */
export function statusOf(answer: Buffer): number {
  return (answer[9]! - 48) * 100 + (answer[10]! - 48) * 10 + (answer[11]! - 48);
}
