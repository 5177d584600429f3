import { canonical, type Json } from '../../../core/canonical.ts';
import { isUuid } from '../../../core/ids.ts';
import { CommandError } from '../command.ts';
import { type Entity, type Ids, KINDS } from './mapping.ts';

/** What any list says of a memory. */
export interface Listed {
  readonly id: string;
  readonly ids: Ids;
  /** Why it cannot be added again as it is: Mem0 fails over it, or it holds what its dialect cannot say. */
  readonly fault?: 'unreadable' | 'unkeepable';
}

/** A memory as the self-hosted server tells it. */
export interface Row extends Listed {
  readonly memory: string;
  readonly metadata: { readonly [key: string]: unknown };
  readonly role?: string;
  readonly expirationDate?: string;
}

/** What is added: a row without its id, under other ids. */
export type NewRow = Omit<Row, 'id' | 'fault'>;

/** The most rows that the server gives at once. */
export const MOST = 1000;
/** The most rows over which the server counts its entities. */
export const MOST_SCANNED = 10_000;
const TIMEOUT_MS = 120_000;

/** Mem0 fails over what it was asked for, as it does over a damaged memory. */
export class UnreadableError extends CommandError {}

/** The self-hosted server that is adopted, past the gateway and with its own key. */
export interface Store {
  /** At most `MOST` rows of everybody, in no order. Their metadata has more in it than a row's own, so it is not told. */
  all(): Promise<readonly Listed[]>;
  /** At most `MOST` rows with these ids, in no order. */
  list(ids: Ids): Promise<readonly Row[]>;
  /** The ids that there are, with how many memories each has. */
  entities(): Promise<readonly (Entity & { readonly memories: number })[]>;
  get(id: string): Promise<Row | undefined>;
  /** Rows that are nearest to a text among those with these ids. */
  near(text: string, ids: Ids): Promise<readonly Row[]>;
  /** The id of the memory that was made. */
  add(row: NewRow): Promise<string>;
  /** Whether it was there. */
  remove(id: string): Promise<boolean>;
}

/** @throws CommandError from every method, in one line without a text or a key of what was sent. */
export function storeAt(origin: string, apiKey: string, signal: AbortSignal): Store {
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const shown = `${method} ${path.split('?')[0]!.replace(/[0-9a-f-]{36}/, '{id}')}`;
    let status = 0;
    try {
      const response = await fetch(`${origin}${path}`, {
        method,
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        headers: { 'x-api-key': apiKey, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      status = response.status;
      const text = await response.text();
      if (status === 404) return undefined;
      if (status < 300) return parseExact(text);
    } catch {
      if (signal.aborted) throw new CommandError('Stopped.', 130);
      throw new CommandError(`Mem0 did not answer ${shown} as it should.`);
    }
    const message = `Mem0 answers ${status} to ${shown}.`;
    throw status === 502 && method === 'GET' ? new UnreadableError(message) : new CommandError(message);
  };
  const results = async (method: string, path: string, body?: object): Promise<readonly unknown[]> => {
    const answer = ((await call(method, path, body)) as { results?: unknown } | undefined)?.results;
    if (!Array.isArray(answer)) throw new CommandError('Mem0 answers a list with something else.');
    return answer;
  };
  const query = (ids: Ids) => new URLSearchParams({ ...ids, top_k: String(MOST), show_expired: 'true' });
  return {
    all: async () => (await results('GET', `/memories?${query({})}`)).map(listedOf),
    list: async (ids) => (await results('GET', `/memories?${query(ids)}`)).map(rowOf),
    near: async (text, ids) =>
      (
        await results('POST', '/search', {
          query: text,
          filters: ids,
          top_k: MOST,
          threshold: 0,
          show_expired: true,
        })
      ).map(rowOf),
    entities: async () => {
      const found = await call('GET', '/entities');
      if (!Array.isArray(found)) throw new CommandError('Mem0 does not list its entities.');
      return found.flatMap(({ type, id, total_memories: memories }: { readonly [name: string]: unknown }) => {
        const kind = KINDS.find((name) => name === `${String(type)}_id`);
        return kind && typeof id === 'string' ? [{ kind, id, memories: Number(memories) }] : [];
      });
    },
    get: async (id) => {
      const row = await call('GET', `/memories/${id}`);
      return row === undefined || row === null ? undefined : rowOf(row);
    },
    add: async ({ memory, ids, metadata, role, expirationDate }) => {
      const answer = await call('POST', '/memories', {
        ...ids,
        messages: [{ role: role === 'assistant' ? role : 'user', content: memory }],
        infer: false,
        ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
        ...(expirationDate === undefined ? {} : { expiration_date: expirationDate }),
      });
      const made = ((answer as { results?: { id?: unknown }[] } | undefined)?.results ?? [])[0]?.id;
      if (typeof made !== 'string' || !isUuid(made))
        throw new CommandError('Mem0 names no memory that it added.');
      return made;
    },
    remove: async (id) => (await call('DELETE', `/memories/${id}`)) !== undefined,
  };
}

type Fields = { readonly [field: string]: unknown };

function fieldsOf(value: unknown): Fields & { readonly id: string } {
  const row = value as Fields | null;
  if (typeof row?.id !== 'string' || !isUuid(row.id)) {
    throw new CommandError('Mem0 gives a row that is no memory.');
  }
  return row as Fields & { readonly id: string };
}

/** @throws CommandError when Mem0 gives something that is no memory. */
function listedOf(value: unknown): Listed {
  const row = fieldsOf(value);
  const fault = faultOf(row);
  const ids = KINDS.flatMap((kind) => (isAbsent(row[kind]) ? [] : [[kind, String(row[kind])]]));
  return { id: row.id, ids: Object.fromEntries(ids) as Ids, ...(fault ? { fault } : {}) };
}

/** @throws CommandError when Mem0 gives something that is no memory. */
function rowOf(value: unknown): Row {
  const row = fieldsOf(value);
  const { memory, metadata, role, expiration_date: date } = row;
  return {
    ...listedOf(value),
    memory: String(memory),
    metadata: (metadata ?? {}) as Row['metadata'],
    ...(typeof role === 'string' ? { role } : {}),
    ...(typeof date === 'string' ? { expirationDate: date } : {}),
  };
}

const isAbsent = (value: unknown) => value === undefined || value === null;
const isText = (value: unknown) => isAbsent(value) || typeof value === 'string';

function faultOf(row: Fields): Listed['fault'] {
  const { memory, metadata, created_at: created, updated_at: updated } = row;
  if (!isText(created) || !isText(updated) || typeof memory !== 'string') return 'unreadable';
  const isObject = isAbsent(metadata) || (typeof metadata === 'object' && !Array.isArray(metadata));
  const said = isObject && KINDS.every((kind) => isText(row[kind])) && isText(row.expiration_date);
  return said && memory !== '' && isCanonical([memory, metadata ?? null] as Json) ? undefined : 'unkeepable';
}

function isCanonical(value: Json): boolean {
  try {
    canonical(value);
    return true;
  } catch {
    return false;
  }
}

interface Exact {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    revive: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
}

/** JSON with its numbers as they are written: a long number, or 1.0, must not come back as another. */
function parseExact(text: string): unknown {
  const json = JSON as unknown as Exact;
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== String(value) ? json.rawJSON(source!) : value,
  );
}
