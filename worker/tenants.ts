import * as z from 'zod/mini';
import { TENANT_ID } from '../core/names.ts';
import {
  type Config,
  ConfigError,
  describe,
  LOOPBACK_HOST,
  readConfig,
  settingText,
  transportProblems,
} from './config.ts';
import { SETTINGS } from './settings.ts';

/** A secret's name is chosen by the operator; it is none of the gateway's own settings. */
const SECRET_NAME = z.string().check(
  z.regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'is not a name in capitals'),
  z.refine((name) => !Object.hasOwn(SETTINGS, name), 'is a setting of the gateway'),
);

const MEM0 = z.strictObject({
  secret: SECRET_NAME,
  kind: z._default(z.enum(['oss', 'platform'], 'is neither oss nor platform'), 'oss'),
  raw: z._default(z.boolean('is neither true nor false'), false),
});

/** `config/tenants.<environment>.json`: what differs from tenant to tenant. A tenant of the pool needs no entry. */
const DOCUMENT = z.strictObject({
  environment: z.string(),
  tenants: z.record(
    z.string().check(z.regex(TENANT_ID, 'is no tenant id')),
    z.strictObject({
      /** The tenant's own Mem0: the secret that holds its address and key, what it is, and whether ids stay raw. */
      mem0: MEM0,
    }),
  ),
});

/** What the secret of a silo holds: address and key in one value, so that neither is ever another's. */
const CREDENTIALS = z.strictObject({
  origin: SETTINGS.MEM0_ORIGIN.schema,
  key: SETTINGS.MEM0_API_KEY.schema,
});

/** A tenant's own Mem0. */
export interface Silo {
  readonly kind: 'oss' | 'platform';
  /** Ids stand there as the tenant's clients name them. */
  readonly raw: boolean;
  readonly origin: string;
  readonly apiKey: string;
}

export type Silos = ReadonlyMap<string, Silo>;

/**
 * The settings and the silos of a deployment.
 * @throws ConfigError that lists everything that is wrong with either.
 */
export function readDeployed(
  document: unknown,
  env: { readonly [name: string]: unknown },
): { readonly config: Config; readonly silos: Silos } {
  const problems: string[] = [];
  const read = <T>(reader: () => T): T | undefined => {
    try {
      return reader();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const config = read(() => readConfig(env));
  const silos = read(() => readTenants(document, env));
  if (!config || !silos) throw new ConfigError(problems);
  return { config, silos };
}

/** The names of the secrets that a tenants' document asks for; none where the document is bad. */
export function siloSecrets(document: unknown): readonly string[] {
  const parsed = DOCUMENT.safeParse(document);
  return parsed.success ? Object.values(parsed.data.tenants).map(({ mem0 }) => mem0.secret) : [];
}

/**
 * Every silo of the document, with what its secret holds.
 * @param env the Worker's settings and secrets.
 * @throws ConfigError that lists everything that is wrong. No value of a secret is in it.
 */
export function readTenants(document: unknown, env: { readonly [name: string]: unknown }): Silos {
  const parsed = DOCUMENT.safeParse(document);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => describe('tenants', issue)));
  const problems: string[] = [];
  const { environment, tenants } = parsed.data;
  if (environment !== settingText(env.ENVIRONMENT)) problems.push('tenants.environment is not ENVIRONMENT');
  const silos = new Map<string, Silo>();
  for (const [tenant, { mem0 }] of Object.entries(tenants)) {
    const read = readCredentials(mem0.secret, env);
    if (read.ok) silos.set(tenant, { kind: mem0.kind, raw: mem0.raw, ...read.value });
    else problems.push(...read.problems);
  }
  const secrets = Object.values(tenants).map(({ mem0 }) => mem0.secret);
  for (const secret of twice(secrets)) problems.push(`${secret} is the secret of several tenants`);
  problems.push(...sharedRaw(silos, URL.parse(settingText(env.MEM0_ORIGIN) ?? '')?.origin));
  if (problems.length > 0) throw new ConfigError(problems);
  return silos;
}

type Credentials =
  | { readonly ok: true; readonly value: Pick<Silo, 'origin' | 'apiKey'> }
  | { readonly ok: false; readonly problems: readonly string[] };

function readCredentials(secret: string, env: { readonly [name: string]: unknown }): Credentials {
  const text = settingText(env[secret]);
  if (text === undefined) return { ok: false, problems: [`${secret} is missing`] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problems: [`${secret} is not JSON`] };
  }
  const parsed = CREDENTIALS.safeParse(value);
  if (!parsed.success) {
    return { ok: false, problems: parsed.error.issues.map((issue) => describe(secret, issue)) };
  }
  const { origin, key } = parsed.data;
  const unfit = transportProblems(`${secret}.origin`, new URL(origin), settingText(env.TRANSPORT));
  return unfit.length > 0 ? { ok: false, problems: unfit } : { ok: true, value: { origin, apiKey: key } };
}

/** A raw tenant's ids are told from nobody's: whoever shares its Mem0 would share its memories. */
function sharedRaw(silos: Silos, pool: string | undefined): string[] {
  const places = [...silos.values()].map(({ origin }) => placeOf(origin));
  const shared = new Set([...twice(places), ...(pool === undefined ? [] : [placeOf(pool)])]);
  return [...silos].flatMap(([tenant, { raw, origin }]) =>
    raw && shared.has(placeOf(origin)) ? [`tenants.${tenant} is raw, and its Mem0 is not its own alone`] : [],
  );
}

/** One name for one place, as far as that can be told from its name. */
function placeOf(origin: string): string {
  const { protocol, hostname, port } = new URL(origin);
  const host = LOOPBACK_HOST.test(hostname) ? 'localhost' : hostname.replace(/\.$/, '');
  return `${host}:${port || protocol}`;
}

function twice(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, at) => values.indexOf(value) !== at))];
}
