import { fileURLToPath } from 'node:url';
import { command } from '../lib/command.ts';
import { readDeployment, readGiven } from '../lib/deploy/environment.ts';
import { CONFIG_OPTION, ENV_OPTION, SECRETS_OPTION } from '../lib/deploy/options.ts';
import { wranglerFor } from '../lib/deploy/wrangler.ts';
import { examine } from '../lib/doctor/doctor.ts';
import { exitCodeOf, type Finding, linesOf } from '../lib/doctor/finding.ts';

await command({
  usage: 'npm run doctor --',
  summary:
    'Checks all that a deployment needs: settings, secrets, addresses, policies, identity providers, the audit ' +
    'database and Mem0. It tries what must be refused, and changes nothing.',
  options: {
    ...ENV_OPTION,
    ...SECRETS_OPTION,
    ...CONFIG_OPTION,
    offline: { type: 'boolean', default: false, help: 'leave out what asks Cloudflare' },
  },
  exitCodes: { 1: 'something failed', 3: 'nothing failed, but something is unknown' },
  async run({ env, secrets, config, offline }, _positionals, io) {
    const deployment = readDeployment(String(env), String(config));
    const given = await readGiven(deployment, secrets as string | undefined);
    const found: Finding[] = [];
    const wrangler = offline === true ? undefined : wranglerFor(deployment);
    const policies = fileURLToPath(new URL('../../policies', import.meta.url));
    for await (const finding of examine(given, { policies, wrangler })) {
      found.push(finding);
      if (!io.json) for (const line of linesOf(finding)) io.out(line);
    }
    if (io.json) io.out(JSON.stringify(found));
    return exitCodeOf(found);
  },
});
