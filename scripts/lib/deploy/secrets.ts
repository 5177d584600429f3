import { randomBytes } from 'node:crypto';
import { formatSignerKey, isKeyName, signerKey } from '../../../core/note.ts';
import { ConfigError, settingText } from '../../../worker/config.ts';
import { readDeployed } from '../../../worker/tenants.ts';
import { CommandError } from '../command.ts';
import { type Deployment, parseDotenv, strangersIn } from './environment.ts';
import { jsonOf, type Wrangler, whyFailed } from './wrangler.ts';

export type Secrets = { readonly [name: string]: string };

/** The secrets that can be made at random, and how. */
const GENERATORS: { readonly [name: string]: (deployment: Deployment) => string } = {
  // The id is beside everything that the key encrypts, so it says when the key was made.
  AUDIT_VAULT_KEYS: () =>
    `v${new Date().toISOString().slice(0, 10).replaceAll('-', '')}:${randomBytes(32).toString('base64url')}`,
  AUDIT_SIGNING_KEY: ({ vars }) => {
    const origin = settingText(vars.AUDIT_ORIGIN) ?? '';
    if (!isKeyName(origin)) {
      throw new CommandError('Set AUDIT_ORIGIN in [vars] first: it is the name of the key. Nothing was set.');
    }
    return formatSignerKey(signerKey(origin, randomBytes(32)));
  },
};

/** @throws CommandError (exit 2) for a name that is no secret's; the name itself may be one and is not repeated. */
export function secretNames(
  names: readonly string[],
  option: string,
  { secrets }: Deployment,
): readonly string[] {
  if (names.every((name) => secrets.includes(name))) return names;
  throw new CommandError(`${option} takes a name: ${secrets.join(', ')}.`, 2);
}

/** @throws CommandError (exit 2) for a secret that cannot be made at random. */
export function generate(names: readonly string[], deployment: Deployment): Secrets {
  const known = Object.keys(GENERATORS);
  if (!names.every((name) => known.includes(name))) {
    throw new CommandError(`--generate takes ${known.join(', ')} only.`, 2);
  }
  return Object.fromEntries(names.map((name) => [name, GENERATORS[name]!(deployment)]));
}

/**
 * Reads secrets from text: a JSON object of texts, or NAME=value lines.
 * @throws CommandError for text that is neither, or a name that is no secret's.
 */
export function parseSecrets(text: string, { secrets }: Deployment): Secrets {
  const values: { [name: string]: unknown } = text.trimStart().startsWith('{')
    ? parseJson(text)
    : parseDotenv(text);
  const strangers = strangersIn(values, secrets);
  if (strangers.length > 0) {
    throw new CommandError(
      `No secret of the gateway: ${strangers.join(', ')}. Its secrets are ${secrets.join(', ')}. Nothing was set.`,
    );
  }
  if (!Object.values(values).every((value) => typeof value === 'string')) {
    throw new CommandError('A value is no text. Nothing was set.');
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '')) as Secrets;
}

function parseJson(text: string): { [name: string]: unknown } {
  try {
    return JSON.parse(text) as { [name: string]: unknown };
  } catch {
    throw new CommandError('The text begins as JSON and is none. Nothing was set.');
  }
}

/**
 * Holds secrets to the settings table, together with the `[vars]` of the environment.
 * @throws CommandError that lists every problem, without a value.
 */
export function validate(secrets: Secrets, { vars, tenants }: Deployment): void {
  try {
    readDeployed(tenants, { ...vars, ...secrets });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const ours = error.problems.filter((problem) =>
      Object.keys(secrets).some((name) => new RegExp(`^${name}\\b`).test(problem)),
    );
    if (ours.length > 0) throw new CommandError(`${ours.join('; ')}. Nothing was set.`);
  }
}

/**
 * Refuses to replace secrets that nobody could get back.
 * @throws CommandError when one is set already, or wrangler cannot say.
 */
export async function refuseReplacing(names: readonly string[], wrangler: Wrangler): Promise<void> {
  const ran = await wrangler(['secret', 'list', '--format', 'json']);
  if (ran.code !== 0 && whyFailed(ran) === 'no_worker') return;
  const listed = jsonOf(ran.stdout);
  if (ran.code !== 0 || !Array.isArray(listed)) throw new CommandError(notDone(whyFailed(ran)));
  const there = names.filter((name) => listed.some((one: { name?: unknown }) => one.name === name));
  if (there.length > 0) {
    throw new CommandError(
      `${there.join(', ')} is set already, and cannot be read back: add --replace to lose it. Nothing was set.`,
    );
  }
}

/**
 * Gives secrets to Cloudflare by wrangler's standard input, all in one request.
 * @throws CommandError when wrangler fails; its own words are not repeated.
 */
export async function put(secrets: Secrets, wrangler: Wrangler): Promise<void> {
  const ran = await wrangler(['secret', 'bulk'], `${JSON.stringify(secrets)}\n`);
  if (ran.code !== 0) throw new CommandError(notDone(whyFailed(ran)));
}

function notDone(why: ReturnType<typeof whyFailed>): string {
  if (why === 'not_installed') return 'wrangler is not installed: run `npm ci`. Nothing was set.';
  if (why === 'not_logged_in') {
    return 'wrangler is not logged in: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN. Nothing was set.';
  }
  return 'wrangler failed: see `npx wrangler whoami`, then `npm run doctor` for what is set.';
}
