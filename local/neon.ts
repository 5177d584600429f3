import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { CommandError } from '../scripts/lib/command.ts';
import { execute, type Result, TooLarge } from './neon/execute.ts';
import { Pools } from './neon/pools.ts';
import { parseRequest } from './neon/request.ts';
import { freePort } from './ports.ts';

export interface NeonOptions {
  readonly databasePort: number;
  /** Default 127.0.0.1. */
  readonly databaseHost?: string | undefined;
  /** 0 or absent: a free one. */
  readonly port?: number | undefined;
  /** Most milliseconds for a request, then 504. Default 15,000. */
  readonly timeoutMs?: number | undefined;
}

export interface Neon {
  /** The endpoint itself, as in `neonConfig.fetchEndpoint`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Bytes of a request's body, and of an answer. */
export const MAX_BYTES = 10 * 1024 * 1024;
const TIMEOUT_MS = 15_000;

/**
 * Neon's SQL-over-HTTP protocol in front of any Postgres, on 127.0.0.1. User, password and database come from the
 * request's connection string; its host and port are replaced by the local database's.
 *
 * Answers: 200; 400 with Postgres's fields for what the statement, login, headers or body are to blame for;
 * 404; 413 and 507 for too many bytes in or out; 504 for too much time; 500 when the database is gone.
 *
 * @throws CommandError when the port is taken.
 */
export async function startNeon(options: NeonOptions): Promise<Neon> {
  const pools = new Pools({ host: options.databaseHost ?? '127.0.0.1', port: options.databasePort });
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const server = createServer(async (request, response) => {
    try {
      await serve(pools, timeoutMs, request, response);
    } catch (error) {
      answerError(response, error);
    }
  });
  server.listen(options.port ?? (await freePort()), '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    throw new CommandError(
      `Port ${options.port} is taken: stop what listens there, or choose another for Neon.`,
    );
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/sql`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await pools.close();
    },
  };
}

async function serve(
  pools: Pools,
  timeoutMs: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  if (request.method !== 'POST' || request.url !== '/sql') {
    answer(response, 404, { message: 'not found' });
    return;
  }
  if (body === undefined) {
    answer(response, 413, { message: `the request is larger than ${MAX_BYTES} bytes` });
    return;
  }
  const parsed = parseRequest(request.headers, body);
  if (!parsed.ok) {
    answer(response, 400, { message: parsed.fault });
    return;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client went away')));
  const results = await execute(
    pools,
    parsed.request,
    MAX_BYTES,
    AbortSignal.any([gone.signal, AbortSignal.timeout(timeoutMs)]),
  );
  answer(response, 200, parsed.request.begin === undefined ? (results[0] as Result) : { results });
}

/** The whole body, read to its end in any case, so that the client sees the answer; `undefined` if too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  return size <= MAX_BYTES ? Buffer.concat(chunks).toString('utf8') : undefined;
}

function answer(response: ServerResponse, status: number, value: object): void {
  const text = JSON.stringify(value);
  if (status === 200 && Buffer.byteLength(text) > MAX_BYTES) {
    answerError(response, new TooLarge());
  } else if (!response.destroyed) {
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  }
}

function answerError(response: ServerResponse, error: unknown): void {
  if (error instanceof TooLarge) {
    answer(response, 507, { message: `the response is larger than ${MAX_BYTES} bytes` });
  } else if (error instanceof DOMException && error.name === 'TimeoutError') {
    answer(response, 504, { message: 'the request took too long' });
  } else if (error instanceof pg.DatabaseError) {
    answer(response, 400, databaseError(error));
  } else {
    answer(response, 500, { message: 'the database did not answer' });
  }
}

const ERROR_FIELDS = [
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'severity',
  'where',
  'table',
  'column',
  'schema',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const;

function databaseError(error: pg.DatabaseError): object {
  return {
    message: error.message,
    ...Object.fromEntries(ERROR_FIELDS.map((field) => [field, error[field] ?? null])),
  };
}
