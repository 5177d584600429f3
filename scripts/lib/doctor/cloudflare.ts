import { type Given, OPTIONAL } from '../deploy/environment.ts';
import { jsonOf, type Wrangler, whyFailed } from '../deploy/wrangler.ts';
import { type Finding, findings } from './finding.ts';

const { ok, failed, unknown } = findings('cloudflare');

const REMEDIES = {
  not_installed: 'Run `npm ci`.',
  not_logged_in: 'Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN; or leave this out with --offline.',
  no_worker: 'Run `npm run secrets`, which makes the Worker and sets its secrets.',
  other: 'Run `npx wrangler secret list` for this environment to see why.',
};

/** Whether Cloudflare holds every secret, by name: values cannot be read back. */
export async function cloudflareChecks({ env, secrets }: Given, wrangler: Wrangler): Promise<Finding[]> {
  const ran = await wrangler(['secret', 'list', '--format', 'json']);
  const listed = ran.code === 0 ? namesOf(jsonOf(ran.stdout)) : undefined;
  if (listed === undefined) {
    const why = whyFailed(ran);
    return why === 'no_worker'
      ? [failed('the Worker does not exist yet, and so has no secrets', REMEDIES.no_worker)]
      : [unknown('whether every secret is set: wrangler could not list them', REMEDIES[why])];
  }
  const missing = secrets.filter((name) => !listed.includes(name) && !OPTIONAL.includes(name));
  const others = listed.filter((name) => !secrets.includes(name));
  const found = missing.map((name) =>
    failed(`${name} is not set`, `Run \`npm run secrets -- --env ${env} --only ${name}\`.`),
  );
  for (const name of others) {
    found.push(
      failed(
        `${name} is set and is no secret of the gateway`,
        'Remove it with `npx wrangler secret delete`: settings that are no secrets belong in [vars].',
      ),
    );
  }
  return found.length > 0 ? found : [ok(`all ${secrets.length} secrets are set, and no other`)];
}

function namesOf(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const names = value.map((one: { name?: unknown } | null) => one?.name);
  return names.every((name) => typeof name === 'string') ? (names as string[]) : undefined;
}
