import { connect, type Socket } from 'node:net';
import { percentile } from '../stats.ts';
import { MessageReader, statusOf } from './message.ts';
import type { Interval, Job, Load, Shot } from './types.ts';

/** An answer that takes longer counts as lost. */
const STUCK_MS = 30_000;

/** Sends a job's requests, one at a time on each connection, and waits for every answer. `halt` ends it early. */
export async function fire(job: Job, halt?: AbortSignal): Promise<Load> {
  const requests = render(job.shot, job.port, job.tokens);
  const tally = new Tally(job.intervals === true);
  const sockets = await Promise.all(Array.from({ length: job.connections }, () => dial(job.port)));
  const begin = performance.now();
  const until = begin + job.durationMs;
  let sent = 0;
  const most = job.most ?? Number.POSITIVE_INFINITY;
  // Each takes the next actor, so that no two requests under way are the same one's.
  const next = () => {
    if (sent >= most || halt?.aborted || performance.now() >= until) return undefined;
    return ((job.from ?? 0) + sent++) % requests.length;
  };
  await Promise.all(sockets.map((socket) => drive(socket, requests, next, tally)));
  for (const socket of sockets) socket.destroy();
  return tally.load(tally.last - begin);
}

/** What a job came to, as it goes. */
class Tally {
  last = performance.now();
  readonly #latencies: number[] = [];
  readonly #statuses: { [status: string]: number } = {};
  readonly #errors: { [kind: string]: number } = {};
  readonly #intervals: Interval[] | undefined;

  constructor(intervals: boolean) {
    this.#intervals = intervals ? [] : undefined;
  }

  answer(actor: number, status: number, sent: number, now: number): void {
    this.last = now;
    this.#latencies.push(now - sent);
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    if (this.#intervals && status < 300) {
      const { timeOrigin } = performance;
      this.#intervals.push([actor, timeOrigin + sent, timeOrigin + now]);
    }
  }

  error(kind: string): void {
    this.#errors[kind] = (this.#errors[kind] ?? 0) + 1;
  }

  load(elapsedMs: number): Load {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (q: number) => percentile(sorted, q);
    return {
      answered: sorted.length,
      elapsedMs,
      statuses: this.#statuses,
      latency: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
      errors: this.#errors,
      ...(this.#intervals ? { intervals: this.#intervals } : {}),
    };
  }
}

function render({ method, path, body }: Shot, port: number, tokens: readonly string[]): Buffer[] {
  const credentials =
    tokens.length === 0 ? [''] : tokens.map((token) => `authorization: Bearer ${token}\r\n`);
  const sized =
    body === undefined
      ? ''
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return credentials.map((credential) =>
    Buffer.from(
      `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${credential}${sized}\r\n${body ?? ''}`,
    ),
  );
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

function drive(
  socket: Socket,
  requests: readonly Buffer[],
  next: () => number | undefined,
  tally: Tally,
): Promise<void> {
  return new Promise((resolve) => {
    const reader = new MessageReader();
    let actor: number;
    let sent = 0;
    const end = (kind?: string) => {
      if (kind !== undefined) tally.error(kind);
      socket.removeAllListeners();
      // What still comes of a connection that is given up is nobody's.
      socket.on('error', () => {});
      socket.destroy();
      resolve();
    };
    const send = () => {
      const chosen = next();
      if (chosen === undefined) return end();
      actor = chosen;
      sent = performance.now();
      socket.write(requests[actor]!);
    };
    socket.setTimeout(STUCK_MS, () => end('no answer'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'broken'));
    socket.on('close', () => end('closed'));
    socket.on('data', (chunk) => {
      let answer: Buffer | undefined;
      try {
        answer = reader.push(chunk);
      } catch (error) {
        return end((error as Error).message);
      }
      if (answer === undefined) return;
      tally.answer(actor, statusOf(answer), sent, performance.now());
      send();
    });
    send();
  });
}
