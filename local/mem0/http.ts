import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** An answer other than 200. `detail` is a text, or FastAPI's list of what is wrong. */
export class HttpError extends Error {
  readonly status: number;
  readonly detail: unknown;
  constructor(status: number, detail: unknown) {
    super(`answered ${status}`);
    this.status = status;
    this.detail = detail;
  }
}

export interface Call {
  /** The decoded values of the template's `{…}` segments, in order. */
  readonly params: readonly string[];
  /** Of a key given twice, the last counts. */
  readonly query: { readonly [key: string]: string };
  /** The parsed body. @throws HttpError 422 when it is no JSON. */
  body(): Promise<unknown>;
}

export interface Route {
  readonly method: string;
  readonly template: string;
  handle(call: Call): Promise<unknown>;
}

/** One served request, as the server's own log shows it. */
export interface Served {
  readonly method: string;
  readonly path: string;
  readonly status_code: number;
  readonly latency_ms: number;
  readonly created_at: string;
}

const SERVED_KEPT = 1000;

/** Answers the dialect's requests: key first, then the route, each failure as `{detail}`. */
export function createHandler(apiKey: string, served: Served[], routes: readonly Route[]) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const begin = Date.now();
    const { path, query } = target(request.url ?? '/');
    let status = 200;
    let answer: unknown;
    try {
      authenticate(request, apiKey);
      const { route, params } = match(routes, request.method ?? '', path);
      answer = await route.handle({ params, query, body: () => readJson(request) });
    } catch (error) {
      status = error instanceof HttpError ? error.status : 502;
      answer = { detail: error instanceof HttpError ? error.detail : 'Upstream provider error.' };
    }
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
    served.push({
      method: request.method ?? '',
      path,
      status_code: status,
      latency_ms: Date.now() - begin,
      created_at: new Date(begin).toISOString(),
    });
    if (served.length > SERVED_KEPT) served.shift();
  };
}

/** A Bearer token counts before the key, and nobody holds a valid one here: so it is refused beside any key. */
function authenticate(request: IncomingMessage, apiKey: string): void {
  if (/^bearer\s/i.test(request.headers.authorization ?? '')) {
    throw new HttpError(401, 'Invalid or expired token.');
  }
  const given = Buffer.from(String(request.headers['x-api-key'] ?? ''));
  const wanted = Buffer.from(apiKey);
  if (given.length === 0) throw new HttpError(401, 'Authentication required.');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new HttpError(401, 'Invalid API key.');
  }
}

/** Escapes in the path are decoded before it is matched, `%2F` too. */
function target(url: string): { path: string; query: { [key: string]: string } } {
  const mark = url.indexOf('?');
  const raw = mark < 0 ? url : url.slice(0, mark);
  let path = raw;
  try {
    path = decodeURIComponent(raw);
  } catch {
    // Not UTF-8: matched as it is.
  }
  return { path, query: Object.fromEntries(new URLSearchParams(mark < 0 ? '' : url.slice(mark))) };
}

function match(routes: readonly Route[], method: string, path: string): { route: Route; params: string[] } {
  const segments = path.split('/');
  const allowed: string[] = [];
  for (const route of routes) {
    const template = route.template.split('/');
    if (template.length !== segments.length) continue;
    const fits = template.every(
      (part, i) => part === segments[i] || (part.startsWith('{') && segments[i] !== ''),
    );
    if (!fits) continue;
    if (route.method === method) {
      return { route, params: segments.filter((_, i) => template[i]?.startsWith('{')) };
    }
    allowed.push(route.method);
  }
  throw allowed.length > 0 ? new HttpError(405, 'Method Not Allowed') : new HttpError(404, 'Not Found');
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    return JSON.parse(
      Buffer.concat(chunks)
        .toString('utf8')
        .replace(/^\ufeff/, ''),
    );
  } catch {
    throw new HttpError(422, [{ type: 'json_invalid', loc: ['body'], msg: 'JSON decode error' }]);
  }
}
