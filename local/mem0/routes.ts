import { type Engine, type LanguageModel, NotUuidError } from './engine.ts';
import { type Call, HttpError, type Route, type Served } from './http.ts';
import { fromRow, PoisonRowError, toEntities, toHistory, toItem, toRawItem, withoutScore } from './rows.ts';
import {
  configureBody,
  createBody,
  deleteQuery,
  instructionsBody,
  listQuery,
  MOST_ROWS,
  parse,
  searchBody,
  updateBody,
} from './schemas.ts';

/** The server looks for entities in this many rows and says nothing of more. */
const ROWS_SCANNED = 10_000;

interface Owners {
  readonly user_id?: string | null | undefined;
  readonly agent_id?: string | null | undefined;
  readonly run_id?: string | null | undefined;
}

export interface Context {
  /** Replaced by `configure`. */
  readonly engine: () => Engine;
  readonly languageModel: () => LanguageModel;
  readonly configure: (languageModel: LanguageModel) => Promise<void>;
  readonly served: readonly Served[];
}

/**
 * The REST dialect of Mem0's self-hosted server over its engine, with its dangers: `user_id` is a filter and no
 * boundary, `*` matches everybody, a listing without ids is a dump, and the key is everybody's administrator.
 */
export function createRoutes(context: Context): Route[] {
  const { engine } = context;
  const memory = () => engine().memory;
  const route = (method: string, template: string, handle: (call: Call) => Promise<unknown>): Route => ({
    method,
    template,
    handle: (call) => handle(call).catch(asHttpError),
  });

  return [
    route('POST', '/memories', async (call) => {
      const body = parse(createBody, await call.body(), 'body');
      if (!hasOwner(body)) throw new HttpError(400, 'At least one identifier is required.');
      const options = {
        ...camel(body),
        ...(body.expiration_date ? { expirationDate: body.expiration_date } : {}),
        infer: body.infer ?? true,
      };
      if (body.memory_type != null && body.memory_type !== 'procedural_memory') {
        throw new HttpError(400, 'Invalid memory_type.');
      }
      if (body.messages.length === 0) return { results: [] };
      if (options.infer) {
        const { results } = await memory().add(body.messages, { ...options, metadata: { ...body.metadata } });
        return { results: results.map(({ id, memory }) => ({ id, memory, event: 'ADD' })) };
      }
      const results: object[] = [];
      // Without inference each message becomes a memory of its own that keeps its role.
      for (const message of body.messages.filter(({ role }) => role !== 'system')) {
        const metadata = { ...body.metadata, role: message.role };
        const added = await memory().add([message], { ...options, metadata });
        results.push(
          ...added.results.map(({ id, memory }) => ({
            ...{ id, memory, event: 'ADD', actor_id: null, role: message.role },
          })),
        );
      }
      return { results };
    }),

    route('GET', '/memories', async (call) => {
      const query = parse(listQuery, call.query, 'query');
      if (!hasOwner(query)) {
        return { results: (await engine().rows()).slice(0, query.top_k ?? MOST_ROWS).map(toRawItem) };
      }
      const { results } = await memory().getAll({
        filters: snake(query),
        ...(query.top_k === undefined ? {} : { topK: query.top_k }),
        showExpired: query.show_expired ?? false,
      });
      return { results: results.map((item) => withoutScore(toItem({ ...item }))) };
    }),

    route('DELETE', '/memories', async (call) => {
      const query = parse(deleteQuery, call.query, 'query');
      if (!hasOwner(query)) throw new HttpError(400, 'At least one identifier is required.');
      await memory().deleteAll(camel(query));
      return { message: 'All relevant memories deleted' };
    }),

    route('GET', '/memories/{id}', async ({ params }) => {
      const row = await engine().row(params[0] as string);
      return row === null ? null : toItem(fromRow(row));
    }),

    route('PUT', '/memories/{id}', async (call) => {
      const id = call.params[0] as string;
      const { text, metadata, expiration_date } = parse(updateBody, await call.body(), 'body');
      await mustExist(engine(), id);
      await memory().update(id, {
        ...(text == null ? {} : { text }),
        ...(metadata == null ? {} : { metadata }),
        ...(expiration_date === undefined ? {} : { expirationDate: expiration_date }),
      });
      return { message: 'Memory updated successfully!' };
    }),

    route('DELETE', '/memories/{id}', async ({ params }) => {
      await mustExist(engine(), params[0] as string);
      await memory().delete(params[0] as string);
      return { message: 'Memory deleted successfully' };
    }),

    route('GET', '/memories/{id}/history', async ({ params }) =>
      (await memory().history(params[0] as string)).reverse().map(toHistory),
    ),

    route('POST', '/search', async (call) => {
      const body = parse(searchBody, await call.body(), 'body');
      // The deprecated ids at the top level overrule those in the filters.
      const filters = { ...asText(body.filters ?? {}), ...snake(body) };
      const { results } = await memory().search(body.query, {
        filters,
        ...(body.top_k == null ? {} : { topK: body.top_k }),
        ...(body.threshold == null ? {} : { threshold: body.threshold }),
        explain: body.explain ?? false,
        showExpired: body.show_expired ?? false,
      });
      return { results: results.map((item) => toItem({ ...item })) };
    }),

    route('GET', '/entities', async () => toEntities((await engine().rows()).slice(0, ROWS_SCANNED))),

    route('DELETE', '/entities/{type}/{id}', async ({ params }) => {
      const [type, id] = params as [string, string];
      const owner = { user: { userId: id }, agent: { agentId: id }, run: { runId: id } }[type];
      if (owner === undefined) throw new HttpError(400, 'Invalid entity type.');
      await memory().deleteAll(owner);
      return { message: 'Entity deleted' };
    }),

    route('POST', '/reset', async () => {
      await memory().reset();
      return { message: 'All memories reset' };
    }),

    route('GET', '/configure', async () => ({ llm: { config: shown(context.languageModel()) } })),

    route('POST', '/configure', async (call) => {
      const config = parse(configureBody, await call.body(), 'body').llm?.config ?? {};
      const { baseUrl, apiKey, model } = context.languageModel();
      const chosen = config.model ?? model;
      await context.configure({
        baseUrl: config.openai_base_url ?? baseUrl,
        apiKey: config.api_key ?? apiKey,
        ...(chosen === undefined ? {} : { model: chosen }),
      });
      return { message: 'Configuration set successfully' };
    }),

    route('GET', '/configure/providers', async () => ({ llm: ['openai'], embedder: ['local'] })),

    route('POST', '/generate-instructions', async (call) => {
      const { use_case } = parse(instructionsBody, await call.body(), 'body');
      return { instructions: await engine().generate([{ role: 'user', content: use_case }]) };
    }),

    route('GET', '/requests', async ({ query }) =>
      context.served.slice(-Math.max(1, Number(query.limit) || 50)).toReversed(),
    ),
  ];
}

/** The engine's refusals of an argument are 400 on the server, everything else that fails is 502. */
function asHttpError(error: unknown): never {
  if (error instanceof HttpError || error instanceof NotUuidError || error instanceof PoisonRowError)
    throw error;
  const message = error instanceof Error ? error.message : '';
  const refused =
    /^(Invalid |could not convert |Unsupported |filters must|One of the filters|At least one|messages |topK |threshold |expirationDate )/;
  throw refused.test(message) ? new HttpError(400, message) : error;
}

async function mustExist(engine: Engine, id: string): Promise<void> {
  if ((await engine.row(id)) === null) throw new HttpError(404, `Memory with ID ${id} not found`);
}

function hasOwner({ user_id, agent_id, run_id }: Owners): boolean {
  return Boolean(user_id || agent_id || run_id);
}

function snake({ user_id, agent_id, run_id }: Owners): { [key: string]: string } {
  return Object.fromEntries(
    Object.entries({ user_id, agent_id, run_id }).filter((entry): entry is [string, string] =>
      Boolean(entry[1]),
    ),
  );
}

function camel({ user_id, agent_id, run_id }: Owners) {
  return {
    ...(user_id ? { userId: user_id } : {}),
    ...(agent_id ? { agentId: agent_id } : {}),
    ...(run_id ? { runId: run_id } : {}),
  };
}

/** Ids in filters that are numbers or booleans become texts, spelt as Python spells them. */
function asText(filters: { readonly [key: string]: unknown }): { [key: string]: unknown } {
  const written = (value: unknown) =>
    typeof value === 'boolean'
      ? value
        ? 'True'
        : 'False'
      : typeof value === 'number'
        ? String(value)
        : value;
  return Object.fromEntries(
    Object.entries(filters).map(([key, value]) => [
      key,
      /^(user|agent|run)_id$/.test(key) ? written(value) : value,
    ]),
  );
}

function shown({ baseUrl, model }: LanguageModel) {
  return { openai_base_url: baseUrl, api_key: '***', model: model ?? null };
}
