import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { deploy, goingBack } from '../lib/deploy/deploy.ts';
import { type Deployment, readDeployment, readGiven } from '../lib/deploy/environment.ts';
import { CONFIG_OPTION, ENV_OPTION, SECRETS_OPTION } from '../lib/deploy/options.ts';
import { smoke } from '../lib/deploy/smoke.ts';
import { wranglerFor } from '../lib/deploy/wrangler.ts';
import { databaseChecks } from '../lib/doctor/database.ts';
import { examine } from '../lib/doctor/doctor.ts';
import { migrate } from '../lib/migrate.ts';
import { askSecret, confirmed } from '../lib/prompt.ts';

const POLICIES = fileURLToPath(new URL('../../policies', import.meta.url));

await command({
  usage: 'npm run deploy --',
  summary:
    'Deploys the gateway: runs the doctor, builds, migrates the audit database, deploys, tries what was deployed, and ' +
    "says how to go back. The database owner's connection string is read from AUDIT_OWNER_URL, or asked for.",
  options: {
    ...ENV_OPTION,
    ...SECRETS_OPTION,
    ...CONFIG_OPTION,
    url: { type: 'string', help: "the gateway's address; else its custom domain in wrangler.toml" },
    yes: { type: 'boolean', default: false, help: 'do not ask before changing anything' },
    'dry-run': { type: 'boolean', default: false, help: 'look at everything, build, and change nothing' },
    'accept-unknown': { type: 'boolean', default: false, help: 'go on with what the doctor cannot find out' },
  },
  async run(values, _positionals, io) {
    const deployment = readDeployment(String(values.env), String(values.config));
    const base = baseOf(values.url, deployment);
    const given = await readGiven(deployment, values.secrets as string | undefined);
    const wrangler = wranglerFor(deployment);
    const stopped = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
    const owner = await ownerUrl();
    const { deployed, previous, migrations } = await deploy({
      env: deployment.env,
      wrangler,
      examine: () => examine(given, { policies: POLICIES, wrangler }),
      examineDatabase: () => databaseChecks(given),
      pending: () => migrate(owner, { dryRun: true }),
      migrate: () => migrate(owner, { log: io.note }),
      smoke: () => smoke(base),
      confirm: confirmed,
      yes: values.yes === true,
      dryRun: values['dry-run'] === true,
      acceptUnknown: values['accept-unknown'] === true,
      note: io.note,
      signal: stopped.signal,
    });
    if (io.json) io.out(JSON.stringify({ deployed, previous: previous ?? null, migrations }));
    else if (!deployed) io.out('Nothing was changed: without --dry-run this would be deployed.');
    else for (const line of ['', `Deployed: ${base}`, ...goingBack(deployment.env, previous)]) io.out(line);
    return 0;
  },
});

async function ownerUrl(): Promise<string> {
  const url = process.env.AUDIT_OWNER_URL || (process.stdin.isTTY ? await askSecret(OWNER_QUESTION) : '');
  if (url === '') throw new CommandError('Set AUDIT_OWNER_URL to the connection string of the owner.');
  return url;
}

/** @throws CommandError (exit 2) without an address to try. */
function baseOf(url: unknown, { config }: Deployment): string {
  const own = [config.route, ...(config.routes ?? [])].find(
    (route) => typeof route === 'object' && 'custom_domain' in route && route.custom_domain === true,
  ) as { pattern: string } | undefined;
  const base = url === undefined ? own && `https://${own.pattern}` : String(url);
  const parsed = base === undefined ? null : URL.parse(base);
  if (parsed?.protocol !== 'https:')
    throw new CommandError("Give the gateway's https address with --url.", 2);
  return parsed.origin;
}

const OWNER_QUESTION = 'Connection string of the owner of the audit database (on Neon the direct one)\n> ';
