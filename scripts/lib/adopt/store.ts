import { isUuid } from '../../../core/ids.ts';
import { CommandError } from '../command.ts';
import { type Ids, KINDS, type Kind } from './mapping.ts';

/** A memory as the self-hosted server tells it. */
export interface Row {
  readonly id: string;
  readonly memory: string;
  readonly ids: Ids;
  readonly metadata: { readonly [key: string]: unknown };
  readonly role?: string;
  readonly expirationDate?: string;
}

/** What is added: a row without its id, under other ids. */
export type NewRow = Omit<Row, 'id'>;

/** The most rows that the server gives at once. */
export const MOST = 1000;
/** Over so many memories the server counts its entities; it says nothing of the others. */
export const SCANNED = 10_000;
const TIMEOUT_MS = 120_000;

/** The self-hosted server that is adopted, past the gateway and with its own key. */
export interface Store {
  /** At most `MOST` rows, of everybody or with these ids. */
  list(ids: Ids): Promise<readonly Row[]>;
  /** The ids that there are, by their kind, and in how many memories the server found them. */
  entities(): Promise<readonly { readonly kind: Kind; readonly id: string; readonly memories: number }[]>;
  get(id: string): Promise<Row | undefined>;
  /** Rows that are nearest to a text among those with these ids. */
  near(text: string, ids: Ids): Promise<readonly Row[]>;
  /** The id of the memory that was made. */
  add(row: NewRow): Promise<string>;
  remove(id: string): Promise<void>;
}

/** @throws CommandError from every method, in one line without a text or a key of what was sent. */
export function storeAt(origin: string, apiKey: string, signal: AbortSignal): Store {
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
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
      if (status === 404) return undefined;
      const value: unknown = await response.json();
      if (status < 300) return value;
    } catch {
      if (signal.aborted) throw new CommandError('Stopped.');
      throw new CommandError(
        `Mem0 did not answer ${method} ${path.split(/[?/]/, 2).join('/')} as it should.`,
      );
    }
    throw new CommandError(`Mem0 answers ${status} to ${method} ${path.split('?')[0]}.`);
  };
  const rows = async (method: string, path: string, body?: object) => {
    const results = ((await call(method, path, body)) as { results?: unknown } | undefined)?.results;
    if (!Array.isArray(results)) throw new CommandError('Mem0 answers a list with something else.');
    return results.map(rowOf);
  };
  return {
    list: (ids) =>
      rows('GET', `/memories?${new URLSearchParams({ ...ids, top_k: String(MOST), show_expired: 'true' })}`),
    near: (query, ids) =>
      rows('POST', '/search', { query, filters: ids, top_k: MOST, threshold: 0, show_expired: true }),
    entities: async () => {
      const found = await call('GET', '/entities');
      if (!Array.isArray(found)) throw new CommandError('Mem0 does not list its entities.');
      return found.flatMap(({ type, id, total_memories: total }: { readonly [field: string]: unknown }) => {
        const kind = KINDS.find((name) => name === `${String(type)}_id`);
        const memories = typeof total === 'number' ? total : 0;
        return kind && typeof id === 'string' ? [{ kind, id, memories }] : [];
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
    remove: async (id) => {
      await call('DELETE', `/memories/${id}`);
    },
  };
}

/** @throws CommandError when Mem0 gives something that is no memory. */
function rowOf(value: unknown): Row {
  const row = value as { readonly [field: string]: unknown } | null;
  if (typeof row?.id !== 'string' || !isUuid(row.id) || typeof row.memory !== 'string') {
    throw new CommandError('Mem0 gives a row that is no memory.');
  }
  const ids = Object.fromEntries(
    KINDS.flatMap((kind) => (typeof row[kind] === 'string' ? [[kind, row[kind]]] : [])),
  ) as Ids;
  const { metadata, role, expiration_date: date } = row;
  return {
    id: row.id,
    memory: row.memory,
    ids,
    metadata: typeof metadata === 'object' && metadata !== null ? (metadata as Row['metadata']) : {},
    ...(typeof role === 'string' ? { role } : {}),
    ...(typeof date === 'string' ? { expirationDate: date } : {}),
  };
}
