import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

// Mem0's hosted Platform, as far as its clients see it, with everything in it that crosses tenants: filters that widen,
// wildcards, ids that nobody checks. Behind the gateway each of these is somebody's attack.

// biome-ignore lint/suspicious/noExplicitAny: it takes whatever it is sent, as the Platform does
type Loose = any;

export interface HostedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Loose;
}

export interface Hosted {
  readonly url: string;
  readonly apiKey: string;
  readonly requests: HostedRequest[];
  memories(): readonly Loose[];
  stop(): Promise<void>;
}

const IDS = ['user_id', 'agent_id', 'app_id', 'run_id'] as const;
const own = (body: Loose) => Object.fromEntries(IDS.map((kind) => [kind, body[kind] ?? null]));

function idMatches(value: unknown, test: Loose): boolean {
  if (test === '*') return value !== null;
  if (typeof test !== 'object' || test === null) return value === test;
  return Object.entries(test).every(([operator, operand]) => {
    if (operator === 'in') return (operand as unknown[]).includes(value);
    return operator === 'ne' ? value !== operand : value === operand;
  });
}

function valueMatches(value: Loose, test: Loose): boolean {
  if (test === '*') return value !== undefined && value !== null;
  if (typeof test !== 'object' || test === null) return value === test;
  return Object.entries(test).every(([operator, operand]: [string, Loose]) => {
    const held = [value].flat();
    if (operator === 'in') return held.some((each) => operand.includes(each));
    if (operator === 'nin') return !held.some((each) => operand.includes(each));
    if (operator === 'ne') return value !== operand;
    if (operator === 'contains') return held.some((each) => String(each).includes(operand));
    if (operator === 'icontains') return String(value).toLowerCase().includes(operand.toLowerCase());
    if (operator === 'gt') return value > operand;
    if (operator === 'gte') return value >= operand;
    if (operator === 'lt') return value < operand;
    return operator === 'lte' ? value <= operand : value === operand;
  });
}

/** The dangers: an OR beside an AND is dropped, `memory_ids` reads by id, wildcards, `ne` and NOT widen. */
export function hostedMatches(filter: Loose, row: Loose): boolean {
  const { AND, OR, NOT, ...fields } = filter;
  if (AND && !AND.every((each: Loose) => hostedMatches(each, row))) return false;
  if (OR && !AND && !OR.some((each: Loose) => hostedMatches(each, row))) return false;
  if (NOT && [NOT].flat().some((each: Loose) => hostedMatches(each, row))) return false;
  return Object.entries(fields).every(([field, test]: [string, Loose]) => {
    if ((IDS as readonly string[]).includes(field)) return idMatches(row[field], test);
    if (field === 'memory_ids') return (test.in ?? test).includes(row.id);
    if (field === 'metadata') {
      return Object.entries(test).every(([key, each]) => valueMatches(row.metadata?.[key], each));
    }
    if (field === 'keywords' || field === 'text') return valueMatches(row.memory, test);
    return valueMatches(row[field], test);
  });
}

export async function startHosted(): Promise<Hosted> {
  const apiKey = `m0-${randomUUID()}`;
  const rows = new Map<string, Loose>();
  const histories = new Map<string, Loose[]>();
  const events = new Map<string, Loose>();
  const entities = new Map<string, Loose>();
  const exports = new Map<string, Loose[]>();
  const requests: HostedRequest[] = [];
  let url = '';

  const note = (row: Loose, event: string, old: string | null) => {
    const { id, memory, user_id, agent_id, app_id } = row;
    const kept = histories.get(id) ?? [];
    kept.push({
      id: randomUUID(),
      memory_id: id,
      old_memory: old,
      new_memory: memory,
      event,
      user_id,
      agent_id,
      app_id,
    });
    histories.set(id, kept);
  };
  const add = (body: Loose) => {
    const messages = typeof body.messages === 'string' ? [{ content: body.messages }] : body.messages;
    return messages.map(({ content }: Loose) => {
      const now = new Date().toISOString();
      const row = {
        ...{ id: randomUUID(), memory: content, ...own(body), metadata: body.metadata ?? null, hash: 'h' },
        ...{ categories: ['misc'], created_at: now, updated_at: now, immutable: body.immutable ?? false },
        ...{ expiration_date: body.expiration_date ?? null, organization: 'operators-org' },
      };
      rows.set(row.id, row);
      note(row, 'ADD', null);
      for (const kind of IDS) {
        const name = body[kind];
        const type = kind.slice(0, -3);
        if (name) entities.set(`${type}/${name}`, { id: entities.size + 1, name, type, total_memories: 1 });
      }
      return { id: row.id, event: 'ADD', data: { memory: content } };
    });
  };
  const remove = (id: string) => {
    note(rows.get(id), 'DELETE', rows.get(id).memory);
    rows.delete(id);
  };
  const fielded = (row: Loose, fields?: string[]) =>
    fields ? Object.fromEntries(fields.map((name) => [name, row[name]])) : row;
  const missing = (id: string) => [404, { detail: `Memory ${id} not found in org operators-org` }];
  const change = (id: string, { text, metadata }: Loose) => {
    const row = rows.get(id);
    const old = row.memory;
    Object.assign(
      row,
      text === undefined ? {} : { memory: text },
      metadata === undefined ? {} : { metadata },
    );
    note(row, 'UPDATE', old);
    return row;
  };
  const chosen = (filters: Loose) => [...rows.values()].filter((row) => hostedMatches(filters, row));
  const byQuery = (query: URLSearchParams) =>
    Object.fromEntries(IDS.filter((kind) => query.has(kind)).map((kind) => [kind, query.get(kind)]));
  const needed = [400, { detail: 'Filters are required and cannot be empty.' }];
  const refused = (body: Loose) => !body.filters || IDS.some((kind) => body[kind]);
  const found = (body: Loose) => {
    const hits = chosen(body.filters).filter((row) => !body.query || /./.test(row.memory));
    return hits.slice(0, body.top_k ?? 10).map((row) => ({ ...fielded(row, body.fields), score: 0.9 }));
  };

  type Handler = (parts: string[], body: Loose, query: URLSearchParams) => Loose;
  const ROUTES: readonly (readonly [string, RegExp, Handler])[] = [
    [
      'GET',
      /^\/v1\/ping\/$/,
      () => ({ status: 'ok', user_email: 'operator@example.com', org_id: 'o', project_id: 'p' }),
    ],
    [
      'POST',
      /^\/(?:v3\/memories\/add|v1\/memories)\/$/,
      (_, body) => {
        const event = randomUUID();
        const results = add(body);
        events.set(event, { id: event, status: 'SUCCEEDED', event_type: 'ADD', payload: body, results });
        if (body.infer === false) return { message: 'ok', status: 'SUCCEEDED', event_id: event, results };
        return { message: 'Queued for operator@example.com', status: 'PENDING', event_id: event };
      },
    ],
    [
      'POST',
      /^\/v3\/memories\/$/,
      (_, body, query) => {
        if (refused(body)) return needed;
        const all = chosen(body.filters);
        const page = Number(query.get('page') ?? body.page ?? 1);
        const size = Number(query.get('page_size') ?? body.page_size ?? 100);
        const at = (n: number) => `${url}/v3/memories/?page=${n}&page_size=${size}`;
        return {
          ...{ count: all.length, next: page * size < all.length ? at(page + 1) : null },
          previous: page > 1 ? at(page - 1) : null,
          results: all.slice((page - 1) * size, page * size).map((row) => fielded(row, body.fields)),
        };
      },
    ],
    ['POST', /^\/v2\/memories\/$/, (_, body) => (body.filters ? chosen(body.filters) : needed)],
    ['GET', /^\/v1\/memories\/$/, (_, __, query) => chosen(byQuery(query))],
    ['POST', /^\/v3\/memories\/search\/$/, (_, body) => (refused(body) ? needed : { results: found(body) })],
    ['POST', /^\/v2\/memories\/search\/$/, (_, body) => (body.filters ? found(body) : needed)],
    ['POST', /^\/v1\/memories\/search\/$/, (_, body) => found(body)],
    [
      'DELETE',
      /^\/v1\/memories\/$/,
      (_, __, query) => {
        for (const row of chosen(byQuery(query))) remove(row.id);
        return { message: 'Memories of operators-org deleted successfully!' };
      },
    ],
    [
      'GET',
      /^\/v1\/memories\/(user|agent|app|run)\/([^/]+)\/$/,
      ([type, name]) => chosen({ [`${type}_id`]: name }),
    ],
    ['GET', /^\/v1\/memories\/([^/]+)\/history\/$/, ([id]) => histories.get(id!) ?? []],
    ['GET', /^\/v1\/memories\/([^/]+)\/$/, ([id]) => rows.get(id!) ?? missing(id!)],
    [
      'PUT',
      /^\/v1\/memories\/([^/]+)\/$/,
      ([id], body) => (rows.has(id!) ? change(id!, body) : missing(id!)),
    ],
    [
      'DELETE',
      /^\/v1\/memories\/([^/]+)\/$/,
      ([id]) => {
        if (!rows.has(id!)) return missing(id!);
        remove(id!);
        return { message: 'Memory deleted successfully!' };
      },
    ],
    [
      'PUT',
      /^\/v1\/batch\/$/,
      (_, { memories }) => {
        for (const each of memories) change(each.memory_id, each);
        return { message: `Successfully updated ${memories.length} memories` };
      },
    ],
    [
      'DELETE',
      /^\/v1\/batch\/$/,
      (_, { memories }) => {
        for (const each of memories) remove(each.memory_id);
        return { message: `Successfully deleted ${memories.length} memories` };
      },
    ],
    [
      'POST',
      /^\/v1\/feedback\/$/,
      (_, { feedback }) => ({ id: randomUUID(), feedback, user: 'operator@example.com' }),
    ],
    [
      'GET',
      /^\/v1\/entities\/$/,
      () => ({ results: [...entities.values()], total_users: entities.size, next: null }),
    ],
    [
      'POST',
      /^\/v1\/(user|agent|app|run)s\/$/,
      ([type], body) => {
        const entity = { id: entities.size + 1, name: body[`${type}_id`], type };
        entities.set(`${type}/${entity.name}`, entity);
        return entity;
      },
    ],
    [
      'GET',
      /^\/v2\/entities\/(\w+)\/([^/]+)\/$/,
      ([type, name]) => entities.get(`${type}/${name}`) ?? missing(name!),
    ],
    [
      'DELETE',
      /^\/v2\/entities\/(\w+)\/([^/]+)\/$/,
      ([type, name]) => {
        for (const row of chosen({ [`${type}_id`]: name })) remove(row.id);
        entities.delete(`${type}/${name}`);
        return { message: 'Entity deleted successfully!' };
      },
    ],
    ['GET', /^\/v1\/event\/([^/]+)\/$/, ([id]) => events.get(id!) ?? missing(id!)],
    [
      'POST',
      /^\/v1\/exports\/$/,
      (_, body) => {
        const id = randomUUID();
        exports.set(id, chosen(body.filters));
        return { id, message: 'Memory export request received by operators-org.' };
      },
    ],
    [
      'POST',
      /^\/v1\/exports\/get\/$/,
      // Without an id the latest one, whoever asked for it.
      (_, body) => {
        const found = body.memory_export_id
          ? exports.get(body.memory_export_id)
          : [...exports.values()].at(-1);
        return {
          memories: (found ?? []).map(({ user_id, memory }: Loose) => ({ who: user_id, said: memory })),
        };
      },
    ],
    [
      'POST',
      /^\/v1\/summary\/$/,
      (_, body) => ({
        summary: chosen(body.filters)
          .map(({ user_id, memory }) => `${user_id}: ${memory}`)
          .join('\n'),
      }),
    ],
  ];

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const target = new URL(request.url!, 'http://hosted');
    const body = text === '' ? undefined : JSON.parse(text);
    const { method = '', headers } = request;
    requests.push({ method, path: target.pathname, query: target.search, headers, body });
    const route = ROUTES.find(([verb, path]) => verb === method && path.test(target.pathname));
    const parts = route ? route[1].exec(target.pathname)!.slice(1).map(decodeURIComponent) : [];
    let answer: Loose = [404, { detail: 'Not found.' }];
    if (headers.authorization !== `Token ${apiKey}`) answer = [401, { detail: 'Bad key.' }];
    else if (route) answer = route[2](parts, body, target.searchParams);
    const [status, json] = Array.isArray(answer) && typeof answer[0] === 'number' ? answer : [200, answer];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...{ url, apiKey, requests },
    memories: () => [...rows.values()],
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
