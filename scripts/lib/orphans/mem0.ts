import { isObject } from '../../../core/json.ts';
import { ConfigError, LOOPBACK_HOST, transportProblems } from '../../../worker/config.ts';
import { SETTINGS } from '../../../worker/settings.ts';
import { readTenants, type Silo } from '../../../worker/tenants.ts';
import { type Fetched, get } from '../doctor/http.ts';
import type { Memory } from './orphans.ts';

type Values = { readonly [name: string]: string | undefined };

/** A Mem0 that can be asked, or why none can. */
export type Home =
  | { readonly ok: true; readonly mem0: Omit<Silo, 'raw'> }
  | { readonly ok: false; readonly why: string };

/**
 * The Mem0 of a tenant: its own, when the tenants' document has one, else the pool's.
 * @param values settings and secrets by name. No value of a secret is in what is said of it.
 */
export function homeOf(tenant: string, document: unknown, values: Values): Home {
  const { environment, tenants } = document as {
    environment: string;
    tenants: { readonly [tenant: string]: unknown };
  };
  try {
    const own = Object.hasOwn(tenants, tenant) ? { [tenant]: tenants[tenant] } : {};
    const silos = readTenants({ environment, tenants: own }, { ...values, ENVIRONMENT: environment });
    return reachable(silos.get(tenant) ?? poolOf(values));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, why: `Mem0 was not asked: ${error.problems[0]}` };
  }
}

function poolOf(values: Values): Omit<Silo, 'raw'> {
  return {
    kind: settingIn(values, 'MEM0_KIND'),
    origin: settingIn(values, 'MEM0_ORIGIN'),
    apiKey: settingIn(values, 'MEM0_API_KEY'),
  };
}

function settingIn<N extends 'MEM0_KIND' | 'MEM0_ORIGIN' | 'MEM0_API_KEY'>(values: Values, name: N) {
  type Value = ReturnType<(typeof SETTINGS)[N]['schema']['parse']>;
  const row = SETTINGS[name] as { readonly default?: string };
  const text = values[name] || row.default;
  if (text === undefined) throw new ConfigError([`${name} is not set`]);
  const parsed = SETTINGS[name].schema.safeParse(text);
  if (!parsed.success) throw new ConfigError([`${name} is not good`]);
  return parsed.data as Value;
}

/** The key goes to this machine, or encrypted. */
function reachable(mem0: Omit<Silo, 'raw'>): Home {
  const url = new URL(mem0.origin);
  const [unfit] = LOOPBACK_HOST.test(url.hostname) ? [] : transportProblems('its address', url, 'edge');
  return unfit === undefined ? { ok: true, mem0 } : { ok: false, why: `Mem0 was not asked: ${unfit}` };
}

const CALLS: {
  readonly [K in Silo['kind']]: {
    readonly memory: (id: string) => string;
    readonly history: (id: string) => string;
    readonly headers: (key: string) => { readonly [name: string]: string };
  };
} = {
  oss: {
    memory: (id) => `/memories/${id}`,
    history: (id) => `/memories/${id}/history`,
    headers: (key) => ({ 'x-api-key': key }),
  },
  platform: {
    memory: (id) => `/v1/memories/${id}/`,
    history: (id) => `/v1/memories/${id}/history/`,
    headers: (key) => ({ authorization: `Token ${key}` }),
  },
};

/** Says of each memory what Mem0 says now. Once Mem0 cannot be reached, it is not asked again. */
export function mem0Asker(home: Home, send: typeof fetch = fetch): (id: string) => Promise<Memory> {
  if (!home.ok) return async () => ({ kind: 'unasked', why: home.why });
  const { kind, origin, apiKey } = home.mem0;
  const { memory, history, headers } = CALLS[kind];
  let away: Memory | undefined;
  return async (id) => {
    if (away !== undefined) return away;
    const [row, rows] = (await Promise.all(
      [memory(id), history(id)].map((path) => get(`${origin}${path}`, headers(apiKey), send)),
    )) as [Fetched, Fetched];
    if (row.kind === 'unreachable' || rows.kind === 'unreachable') {
      away = { kind: 'unasked', why: 'Mem0 cannot be reached from here' };
      return away;
    }
    const found = row.kind === 'answer' ? memoryOf(row.status, row.text) : undefined;
    if (found === undefined) return { kind: 'unasked', why: 'Mem0 gave no answer that can be read' };
    const told = rows.kind === 'answer' && rows.status === 200 ? historyOf(rows.text) : [];
    return { ...found, changed: [...found.changed, ...told] };
  };
}

function memoryOf(status: number, text: string): Exclude<Memory, { kind: 'unasked' }> | undefined {
  if (status === 404) return { kind: 'gone', changed: [] };
  if (status !== 200) return undefined;
  const row = parse(text);
  // A memory that is not there is `null`.
  if (row === null) return { kind: 'gone', changed: [] };
  return isObject(row) && 'id' in row ? { kind: 'there', changed: times(row.updated_at) } : undefined;
}

/** When a memory was changed. A row of its history bears the time of the memory and that of the change. */
function historyOf(text: string): number[] {
  const rows = parse(text);
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row) =>
    isObject(row) && row.event === 'UPDATE' ? [...times(row.created_at), ...times(row.updated_at)] : [],
  );
}

/** A time without an offset may be of any zone. */
function times(value: unknown): number[] {
  if (typeof value !== 'string') return [];
  return [/(Z|[+-]\d\d:?\d\d)$/.test(value) ? Date.parse(value) : Number.NaN];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
