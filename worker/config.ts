import { MINUTE, SETTINGS, type Setting, type SettingName, type Values } from './settings.ts';
import { signingProblems } from './signing.ts';

// The only place that reads settings; the table of them is in settings.ts.

/** Settings that may be left out. */
type Optional = 'AUDIT_SQL_ENDPOINT' | 'AUDIT_PSEUDONYM_KEY';

export type Config = Omit<Values, Optional> & { readonly [K in Optional]: Values[K] | undefined };

/** What is wrong with the settings, by name. Values are never among it: some are secrets. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`bad settings: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Reads and checks every setting.
 * @throws ConfigError that lists every bad one.
 */
export function readConfig(env: { readonly [name: string]: unknown }): Config {
  const problems: string[] = [];
  const values: { [name: string]: unknown } = {};
  for (const [name, row] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const raw = settingText(env[name]) ?? row.default;
    if (raw === undefined) problems.push(`${name} is missing`);
    if (raw === undefined || raw === null) continue;
    const result = row.schema.safeParse(raw);
    if (result.success) values[name] = result.data;
    else problems.push(...result.error.issues.map((issue) => describe(name, issue)));
  }
  problems.push(...crossChecks(values as Partial<Values>, env));
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return values as unknown as Config;
}

/**
 * A setting's text. `[vars]` may hold numbers, booleans and tables, too: taking those for absent would put a default in
 * their place.
 */
export function settingText(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A schema's issue as a line, with the place of the fault and nothing of the value. */
export function describe(
  name: string,
  issue: { readonly path: PropertyKey[]; readonly message: string },
): string {
  const path = issue.path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('');
  return `${name}${path} ${issue.message}`;
}

function crossChecks(values: Partial<Values>, env: { readonly [name: string]: unknown }): string[] {
  const problems: string[] = [];
  const { TRANSPORT, ENVIRONMENT, UPSTREAM_TIMEOUT_MS, ORPHAN_AFTER_MS } = values;
  if (TRANSPORT === 'loopback' && ENVIRONMENT === 'production') {
    problems.push('TRANSPORT loopback is refused with ENVIRONMENT production');
  }
  for (const [name, row] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const text = row.url ? settingText(env[name]) : undefined;
    const value = text === undefined ? null : URL.parse(text);
    if (value) problems.push(...transportProblems(name, value, TRANSPORT));
  }
  values.ISSUERS?.forEach((issuer, i) => {
    const jwks = URL.parse(issuer.jwks_url);
    if (jwks) problems.push(...transportProblems(`ISSUERS[${i}].jwks_url`, jwks, TRANSPORT));
  });
  if (UPSTREAM_TIMEOUT_MS !== undefined && ORPHAN_AFTER_MS !== undefined) {
    if (ORPHAN_AFTER_MS < UPSTREAM_TIMEOUT_MS + MINUTE) {
      problems.push('ORPHAN_AFTER_MS is below UPSTREAM_TIMEOUT_MS + 60000');
    }
  }
  problems.push(...signingProblems(values.AUDIT_SIGNING_KEY, values.AUDIT_ORIGIN));
  if ((values.MAX_ANSWER_BYTES ?? 0) > (values.MAX_INFLIGHT_ANSWER_BYTES ?? Number.POSITIVE_INFINITY)) {
    problems.push('MAX_ANSWER_BYTES is above MAX_INFLIGHT_ANSWER_BYTES');
  }
  if ((values.MAX_BODY_SIZE_BYTES ?? 0) > (values.MAX_INFLIGHT_BODY_BYTES ?? Number.POSITIVE_INFINITY)) {
    problems.push('MAX_BODY_SIZE_BYTES is above MAX_INFLIGHT_BODY_BYTES');
  }
  return problems;
}

/** Names of this machine. */
export const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** What is wrong with a URL for a transport. */
export function transportProblems(name: string, value: URL, transport: string | undefined): string[] {
  const postgres = value.protocol.startsWith('postgres');
  if (transport === 'edge' && value.protocol !== 'https:' && !postgres) {
    return [`${name} is not https, which TRANSPORT edge requires`];
  }
  if (transport === 'loopback' && !LOOPBACK_HOST.test(value.hostname)) {
    return [`${name} is not on this machine, which TRANSPORT loopback requires`];
  }
  return [];
}
