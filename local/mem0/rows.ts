import type { Row } from './engine.ts';

/** What the engine's public methods return of a memory. */
interface Item {
  readonly id: string;
  readonly memory: string;
  readonly score?: number;
  readonly [key: string]: unknown;
}

/** A row that Mem0's server cannot put into its answer. It spoils the whole answer, as it does there. */
export class PoisonRowError extends Error {}

/** Members that Mem0 keeps beside the metadata, in the row's payload; those of a client's metadata shadow them. */
const PROMOTED = [
  'user_id',
  'agent_id',
  'run_id',
  'actor_id',
  'role',
  'attributed_to',
  'expiration_date',
] as const;
/** Left out of the metadata of an item: what is a member of it. */
const SHADOWS = new Set<string>([...PROMOTED, 'id', 'created_at', 'updated_at']);

/** A memory as the REST dialect writes it: snake case, promoted members only when present. */
export function toItem(item: Item): { [key: string]: unknown } {
  const metadata = (item.metadata ?? {}) as { readonly [key: string]: unknown };
  const own: { [key: string]: unknown } = { ...item, attributed_to: item.attributedTo };
  const member = (name: string) => text(metadata[name] ?? own[name]);
  const rest = Object.entries(metadata).filter(([key]) => !SHADOWS.has(key));
  const out: { [key: string]: unknown } = {
    id: item.id,
    memory: item.memory,
    hash: item.hash ?? null,
    metadata: rest.length > 0 ? Object.fromEntries(rest) : null,
    score: item.score ?? null,
    created_at: text(metadata.created_at ?? item.createdAt),
    updated_at: text(metadata.updated_at ?? item.updatedAt ?? item.createdAt),
  };
  for (const name of PROMOTED) {
    const value = member(name);
    if (value !== null) out[name] = value;
  }
  if (item.score_details !== undefined) out.score_details = item.score_details;
  return out;
}

/** A memory of a listing. */
export function withoutScore({ score: _, ...item }: { readonly [key: string]: unknown }) {
  return item;
}

/** What the list of everybody's rows keeps out of the metadata, which is less than the other answers do. */
const RESERVED = new Set([
  'data',
  'hash',
  'user_id',
  'agent_id',
  'run_id',
  'expiration_date',
  'created_at',
  'updated_at',
]);

/**
 * A memory as the list of everybody's rows writes it: what Mem0 keeps for itself, the role and the like, stands in the
 * metadata, absent ids are null, and nothing is checked.
 */
export function toRawItem({ id, payload }: Row): { [key: string]: unknown } {
  const { createdAt, updatedAt, textLemmatized, attributedTo, ...own } = payload;
  const rest = Object.entries({
    ...own,
    ...(textLemmatized === undefined ? {} : { text_lemmatized: textLemmatized }),
    ...(attributedTo === undefined ? {} : { attributed_to: attributedTo }),
  }).filter(([key]) => !RESERVED.has(key));
  return {
    id,
    memory: own.data ?? null,
    user_id: own.user_id ?? null,
    agent_id: own.agent_id ?? null,
    run_id: own.run_id ?? null,
    hash: own.hash ?? null,
    expiration_date: own.expiration_date ?? null,
    metadata: Object.fromEntries(rest),
    created_at: own.created_at ?? createdAt ?? null,
    updated_at: own.updated_at ?? updatedAt ?? createdAt ?? null,
  };
}

/** A row of the store, read without the engine, in the engine's shape. */
export function fromRow({ id, payload }: Row): Item {
  const { data, hash, createdAt, updatedAt, textLemmatized: _, attributedTo, ...rest } = payload;
  return { id, memory: data as string, hash, createdAt, updatedAt, attributedTo, metadata: rest };
}

/** One step of a memory's history; the engine keeps it under other names. */
export function toHistory(row: { readonly [column: string]: unknown }): { [key: string]: unknown } {
  return {
    id: String(row.id),
    memory_id: row.memory_id,
    old_memory: row.previous_value ?? null,
    new_memory: row.new_value ?? null,
    event: row.action,
    created_at: row.created_at ?? null,
    updated_at: row.updated_at ?? null,
    is_deleted: row.is_deleted === 1,
    actor_id: null,
    role: null,
  };
}

const TYPES = [
  ['user', 'user_id'],
  ['agent', 'agent_id'],
  ['run', 'run_id'],
] as const;

/** Every owner that occurs in the rows, with how many memories it has. */
export function toEntities(rows: readonly Row[]): { [key: string]: unknown }[] {
  const entities = new Map<string, { id: string; type: string; times: string[] }>();
  for (const { payload } of rows) {
    for (const [type, key] of TYPES) {
      const id = payload[key];
      if (typeof id !== 'string') continue;
      const entity = entities.get(`${type}:${id}`) ?? { id, type, times: [] };
      entity.times.push(String(payload.updatedAt ?? payload.createdAt ?? ''));
      entities.set(`${type}:${id}`, entity);
    }
  }
  return [...entities.values()].map(({ id, type, times }) => ({
    id,
    type,
    total_memories: times.length,
    created_at: times.toSorted()[0],
    updated_at: times.toSorted().at(-1),
  }));
}

function text(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw new PoisonRowError('a member of the row is no text');
  return value;
}
