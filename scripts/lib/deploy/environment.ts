import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Unstable_Config } from 'wrangler';
import { settingText } from '../../../worker/config.ts';
import { SETTINGS, type SettingName } from '../../../worker/settings.ts';
import { siloSecrets } from '../../../worker/tenants.ts';
import { CommandError } from '../command.ts';

/** The names of the settings that are secrets. A deployment's silos ask for more. */
export const SECRETS: readonly SettingName[] = (Object.keys(SETTINGS) as SettingName[]).filter(
  (name) => 'secret' in SETTINGS[name],
);

/** Of these, those that may be left out. */
export const OPTIONAL: readonly string[] = SECRETS.filter(
  (name) => (SETTINGS[name] as { readonly default?: string | null }).default !== undefined,
);

/** wrangler.toml as one environment has it; the top level is production. */
export interface Deployment {
  readonly env: string;
  readonly configFile: string;
  readonly config: Unstable_Config;
  /** `[vars]` as written. */
  readonly vars: { readonly [name: string]: unknown };
  /** Where the tenants' document is, and what it holds. */
  readonly tenantsFile: string;
  readonly tenants: unknown;
  /** The names of all secrets: the gateway's own, then those of the silos. */
  readonly secrets: readonly string[];
}

/** What a deployed Worker would be given, as far as this machine knows it. */
export interface Given extends Deployment {
  /** Where secret values were looked for, in words. */
  readonly source: string;
  /** Values by name: those of `[vars]`, and over them the secrets. Never printed. */
  readonly values: { readonly [name: string]: string };
  /** Names in the secrets file that are no secret of the gateway. */
  readonly strangers: readonly string[];
}

/** Only when it is needed: loading it takes a second, in which `--help` is long done. */
const wrangler = () => createRequire(import.meta.url)('wrangler') as typeof import('wrangler');

/** @throws CommandError when the file cannot be read or has no such environment. */
export function readDeployment(env: string, configFile: string): Deployment {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(env)) throw new CommandError('--env is a lower-case word.', 2);
  let config: Unstable_Config;
  try {
    config = wrangler().unstable_readConfig(
      { config: configFile, ...(env === 'production' ? {} : { env }) },
      { hideWarnings: true },
    );
  } catch (error) {
    // The first line of several only says which file it is about.
    const lines = (error as Error).message.split('\n').map((line) => line.trim().replace(/^- /, ''));
    throw new CommandError(
      `${configFile} cannot be read: ${lines.slice(lines.length > 1 ? 1 : 0).join(' ')}`,
    );
  }
  if (env !== 'production' && config.targetEnvironment !== env) {
    throw new CommandError(`${configFile} has no [env.${env}].`);
  }
  const tenantsFile = join(dirname(configFile), 'config', `tenants.${env}.json`);
  const tenants = readTenantsFile(tenantsFile);
  const secrets = [...SECRETS, ...siloSecrets(tenants)];
  return { env, configFile, config, vars: config.vars, tenantsFile, tenants, secrets };
}

/** @throws CommandError when it is not there or no JSON. Whether it is a good one is for the settings' check to say. */
function readTenantsFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CommandError(
        `${path} is missing: make it as config/tenants.production.json is, with the name of this environment.`,
      );
    }
    throw new CommandError(`${path} is not JSON.`);
  }
}

/**
 * Adds the secret values: from `file`, from `.secrets/<env>.env` when that is there, or from environment variables.
 * @throws CommandError when a file that was named cannot be read.
 */
export async function readGiven(
  deployment: Deployment,
  file: string | undefined,
  variables: { readonly [name: string]: string | undefined } = process.env,
): Promise<Given> {
  const path = file ?? `.secrets/${deployment.env}.env`;
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (file === undefined && error.code === 'ENOENT') return undefined;
    throw new CommandError(`${path} cannot be read (${error.code}).`);
  });
  const found = text === undefined ? variables : parseDotenv(text);
  const secrets = deployment.secrets.flatMap((name) => (found[name] ? [[name, found[name]] as const] : []));
  const texts = Object.entries(deployment.vars).flatMap(([name, value]) => {
    const text = settingText(value);
    return text === undefined ? [] : [[name, text] as const];
  });
  return {
    ...deployment,
    source: text === undefined ? 'the environment variables' : path,
    values: Object.fromEntries([...texts, ...secrets]),
    strangers: text === undefined ? [] : strangersIn(found, deployment.secrets),
  };
}

/** Names that are no secret's. What does not look like a name may be a value that went astray, and is not repeated. */
export function strangersIn(
  values: { readonly [name: string]: unknown },
  secrets: readonly string[],
): string[] {
  return Object.keys(values)
    .filter((name) => !secrets.includes(name))
    .map((name) => (/^[A-Z][A-Z0-9]{1,15}(_[A-Z0-9]{1,16}){1,4}$/.test(name) ? name : 'a name that is none'));
}

/**
 * NAME=value lines by name.
 * @throws CommandError for an unquoted value with a `#`: what follows it would be cut off as a remark, silently.
 */
export function parseDotenv(text: string): { [name: string]: string } {
  const cut = text.split('\n').findIndex((line) => /^\s*(export\s+)?[^#='"`]+=\s*[^\s'"`#][^#]*#/.test(line));
  if (cut >= 0) throw new CommandError(`Line ${cut + 1} has a # in a value: put the value in quotes.`);
  return parseEnv(text) as { [name: string]: string };
}

/** One setting, read as the Worker reads it; `undefined` when it is missing or bad. */
export function settingOf<N extends SettingName>(given: Given, name: N) {
  type Value = ReturnType<(typeof SETTINGS)[N]['schema']['parse']>;
  const row = SETTINGS[name] as { readonly default?: string | null };
  const raw = given.values[name] || row.default;
  if (raw === undefined || raw === null) return undefined;
  const result = SETTINGS[name].schema.safeParse(raw);
  return result.success ? (result.data as Value) : undefined;
}
