import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../local/ports.ts';

/** A request as it came over the wire. */
export interface SeenRequest {
  readonly method: string;
  /** The request target as sent, still encoded. */
  readonly target: string;
  /** Names as sent, in order; a name sent twice is there twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body's bytes as UTF-8 text. */
  readonly body: string;
}

/** Answers one request. Throwing, or returning without an end, is the test's own choice of a bad upstream. */
export type Responder = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

export interface FakeMem0 {
  readonly url: string;
  /** Everything received so far, in order. */
  readonly requests: SeenRequest[];
  /** What answers from now on. */
  respond(responder: Responder): void;
  stop(): Promise<void>;
}

/** An upstream on a loopback port that does what the test says, and writes down what it was asked. */
export async function startFakeMem0(
  options: { port?: number; responder?: Responder } = {},
): Promise<FakeMem0> {
  let responder = options.responder ?? presets.json({ results: [] });
  const requests: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    try {
      const seen = await see(request);
      requests.push(seen);
      await responder(seen, response);
    } catch {
      response.destroy();
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    respond: (next) => {
      responder = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function see(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers: [string, string][] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at]!, request.rawHeaders[at + 1]!]);
  }
  return {
    method: request.method!,
    target: request.url!,
    headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

/** A memory as the OSS dialect shows it, owned by the namespaced ids given. */
export function memoryRow(owners: { user_id?: string; agent_id?: string; run_id?: string }, id = MEMORY_ID) {
  return {
    id,
    memory: 'likes green tea',
    hash: 'd41d8cd98f00b204e9800998ecf8427e',
    metadata: { source: 'chat' },
    score: null,
    created_at: '2026-01-02T03:04:05.000Z',
    updated_at: null,
    ...owners,
  };
}

export const MEMORY_ID = '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21';

/** Upstreams good and bad. Each is made with what it needs and given to `respond`. */
export const presets = {
  json(value: unknown, status = 200): Responder {
    return (_, response) => send(response, status, 'application/json', JSON.stringify(value));
  },
  /** One row for every request: as itself by id, in `results` for lists and searches. */
  row(row: object): Responder {
    return ({ method, target }, response) => {
      const byId = method === 'GET' && /^\/memories\/[^/]+$/.test(target);
      send(response, 200, 'application/json', JSON.stringify(byId ? row : { results: [row] }));
    };
  },
  otherTenantsRow: (): Responder => presets.row(memoryRow({ user_id: 'globex:victim' })),
  rowWithoutOwners: (): Responder => presets.row(memoryRow({})),
  /** How Mem0 says that a memory does not exist. */
  missing: (): Responder => presets.json(null),
  malformedJson: (): Responder => (_, response) =>
    send(response, 200, 'application/json', '{"results":[{"id":'),
  html:
    (status = 200): Responder =>
    (_, response) =>
      send(response, status, 'text/html; charset=utf-8', '<!doctype html><h1>It works</h1>'),
  error: (status = 500, body: unknown = { detail: 'Internal Server Error' }): Responder =>
    presets.json(body, status),
  redirect:
    (location: string, status = 307): Responder =>
    (_, response) => {
      response.writeHead(status, { location }).end();
    },
  /** Announces a whole body, sends half of it, and resets the connection. */
  halfThenReset: (): Responder => async (_, response) => {
    const body = JSON.stringify({ results: [memoryRow({ user_id: 'acme:bob' })] });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.write(body.slice(0, body.length / 2));
    await sleep(20);
    response.socket?.resetAndDestroy();
  },
  /** Resets the connection before a byte of the answer. */
  reset: (): Responder => (_, response) => {
    response.socket?.resetAndDestroy();
  },
  /** A byte of a valid answer every `everyMs`, without end in sight. */
  slowDrip:
    (everyMs = 50): Responder =>
    async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"results":[],"x":"');
      while (!response.destroyed) {
        response.write('.');
        await sleep(everyMs);
      }
    },
  /** Valid JSON of at least `bytes`, in pieces, with no length announced. */
  oversize:
    (bytes: number): Responder =>
    async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"results":[],"x":"');
      const piece = 'x'.repeat(64 * 1024);
      for (let sent = 0; sent < bytes && !response.destroyed; sent += piece.length) {
        if (!response.write(piece)) await drained(response);
      }
      response.end('"}');
    },
  /** Takes the request and says nothing. */
  never: (): Responder => () => {},
  /** No body at all under a 200. */
  empty: (): Responder => (_, response) => send(response, 200, 'application/json', ''),
} as const;

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** When the socket takes more, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
