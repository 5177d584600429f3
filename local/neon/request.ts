import type { IncomingHttpHeaders } from 'node:http';
import { isObject } from '../../core/json.ts';

/** One statement; parameters are text, or null. */
export interface Statement {
  readonly query: string;
  readonly params: readonly unknown[];
}

/** Whose connection is asked for; host and port are always the local database's. */
export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly applicationName: string;
}

export interface SqlRequest {
  readonly login: Login;
  readonly statements: readonly Statement[];
  /** The statement that opens a batch's transaction; absent for a single statement, which is on its own. */
  readonly begin?: string;
  /** Rows as lists, else as objects. */
  readonly arrayMode: boolean;
}

export type Parsed =
  | { readonly ok: true; readonly request: SqlRequest }
  | { readonly ok: false; readonly fault: string };

const ISOLATION: { readonly [header: string]: string } = {
  ReadUncommitted: 'read uncommitted',
  ReadCommitted: 'read committed',
  RepeatableRead: 'repeatable read',
  Serializable: 'serializable',
};

/** Reads headers and body of a request to the SQL endpoint. */
export function parseRequest(headers: IncomingHttpHeaders, body: string): Parsed {
  const login = parseLogin(single(headers['neon-connection-string']));
  if (login === undefined) return fault('missing or invalid Neon-Connection-String header');
  if (single(headers['neon-raw-text-output']) !== 'true') {
    return fault('this endpoint answers in text only: send Neon-Raw-Text-Output: true');
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return fault('the body is not JSON');
  }
  const arrayMode = single(headers['neon-array-mode']) === 'true';
  const alone = statement(value);
  if (alone) return { ok: true, request: { login, statements: [alone], arrayMode } };
  const queries =
    isObject(value) && Array.isArray(value.queries) ? value.queries.map(statement) : [undefined];
  if (!queries.every((query) => query !== undefined)) {
    return fault('the body is neither {query, params} nor {queries: [{query, params}]}');
  }
  const begin = beginOf(headers);
  if (begin === undefined) return fault('invalid Neon-Batch header');
  return { ok: true, request: { login, statements: queries, begin, arrayMode } };
}

function parseLogin(header: string | undefined): Login | undefined {
  const url = URL.parse(header ?? '');
  if (!url || !/^postgres(ql)?:$/.test(url.protocol)) return undefined;
  try {
    const user = decodeURIComponent(url.username);
    if (user === '') return undefined;
    return {
      user,
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)) || user,
      applicationName: url.searchParams.get('application_name') ?? '',
    };
  } catch {
    return undefined;
  }
}

function beginOf(headers: IncomingHttpHeaders): string | undefined {
  const words = ['begin'];
  const isolation = single(headers['neon-batch-isolation-level']);
  if (isolation !== undefined) {
    if (!Object.hasOwn(ISOLATION, isolation)) return undefined;
    words.push(`isolation level ${ISOLATION[isolation]}`);
  }
  for (const [header, yes, no] of [
    ['neon-batch-read-only', 'read only', 'read write'],
    ['neon-batch-deferrable', 'deferrable', 'not deferrable'],
  ] as const) {
    const value = single(headers[header]);
    if (value === undefined) continue;
    if (value !== 'true' && value !== 'false') return undefined;
    words.push(value === 'true' ? yes : no);
  }
  return words.join(' ');
}

function statement(value: unknown): Statement | undefined {
  if (!isObject(value) || typeof value.query !== 'string') return undefined;
  // The wire protocol ends a statement at its first NUL.
  if (value.query.includes('\0')) return undefined;
  const params = value.params ?? [];
  return Array.isArray(params) ? { query: value.query, params } : undefined;
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function fault(text: string): Parsed {
  return { ok: false, fault: text };
}
