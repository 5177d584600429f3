import { join } from 'node:path';
import type { Memory } from 'mem0ai/oss';
import { fulfils } from './conditions.ts';
import { DIMENSION, embed } from './embedder.ts';

/** A row of the engine's vector store. */
export interface Row {
  readonly id: string;
  readonly payload: { readonly [key: string]: unknown };
}

/** The parts of the engine that its types keep to themselves. */
interface Internals {
  readonly vectorStore: {
    get(id: string): Promise<Row | null>;
    update(id: string, vector: number[], payload: object): Promise<void>;
    delete(id: string): Promise<void>;
    list(filters?: object, topK?: number): Promise<[Row[], number]>;
    filterVector(row: Row, filters?: object): boolean;
  };
  readonly llm: { generateResponse(messages: object[]): Promise<unknown> };
  _ensureInitialized(): Promise<void>;
}

export interface LanguageModel {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Absent: the engine's own default. */
  readonly model?: string;
}

export interface Engine {
  readonly memory: Memory;
  /** Every row of every owner. */
  rows(): Promise<Row[]>;
  row(id: string): Promise<Row | null>;
  generate(messages: object[]): Promise<unknown>;
}

/** An id that is no UUID: Postgres refuses it, and the real server answers 502. */
export class NotUuidError extends Error {}

const EVERYTHING = 1_000_000;

/**
 * Opens Mem0's own engine over files in `dir`. MEM0_TELEMETRY and MEM0_DIR must be set before: the engine reads
 * them when it is loaded.
 */
export async function openEngine(dir: string, languageModel: LanguageModel): Promise<Engine> {
  const { Memory } = await import('mem0ai/oss');
  const memory = new Memory({
    version: 'v1.1',
    embedder: {
      provider: 'langchain',
      config: {
        model: {
          embedQuery: async (text: string) => embed(text),
          embedDocuments: async (texts: string[]) => texts.map(embed),
        },
      },
    },
    vectorStore: {
      provider: 'memory',
      config: { collectionName: 'memories', dimension: DIMENSION, dbPath: join(dir, 'vectors.db') },
    },
    historyStore: { provider: 'sqlite', config: { historyDbPath: join(dir, 'history.db') } },
    llm: {
      provider: 'openai',
      config: {
        baseURL: languageModel.baseUrl,
        apiKey: languageModel.apiKey,
        ...(languageModel.model === undefined ? {} : { model: languageModel.model }),
      },
    },
  });
  const internals = memory as unknown as Internals;
  /** The store is replaced by a reset of the engine, so it is looked up, and made like Postgres, each time. */
  const store = async () => {
    await internals._ensureInitialized();
    return likePostgres(internals.vectorStore);
  };
  await store();
  return {
    memory,
    rows: async () => (await (await store()).list(undefined, EVERYTHING))[0],
    row: async (id) => (await store()).get(id),
    generate: async (messages) => internals.llm.generateResponse(messages),
  };
}

const made = new WeakSet<object>();

/**
 * The real server's rows have an id of Postgres' type `uuid`, which takes upper case, missing dashes and braces
 * for the same id and refuses what is none; the engine's local store compares text. Filters are decided as SQL does.
 */
function likePostgres(store: Internals['vectorStore']): Internals['vectorStore'] {
  if (made.has(store)) return store;
  made.add(store);
  const { get, update, delete: remove } = store;
  return Object.assign(store, {
    get: async (id: string) => get.call(store, uuid(id)),
    update: async (id: string, vector: number[], payload: object) =>
      update.call(store, uuid(id), vector, payload),
    delete: async (id: string) => remove.call(store, uuid(id)),
    filterVector: ({ payload }: Row, filters?: object) => fulfils(payload, filters),
  });
}

/** As Postgres reads a UUID: any case, braces around it, dashes only between groups of four digits. */
function uuid(text: string): string {
  const bare = /^\{(.*)\}$/.exec(text)?.[1] ?? text;
  if (!/^[0-9a-f]{4}(-?[0-9a-f]{4}){7}$/i.test(bare))
    throw new NotUuidError('invalid input syntax for type uuid');
  const hex = bare.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
