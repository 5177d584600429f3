import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { stalePolicies } from '../lib/policy-freshness.ts';

const POLICIES = fileURLToPath(new URL('../../policies', import.meta.url));

await command({
  usage: 'node scripts/run.cjs deployable',
  summary:
    'Run by wrangler before it deploys: refuses when the committed policy module is older than its sources.',
  run: async (_values, _positionals, io) => {
    const stale = await stalePolicies(POLICIES);
    if (stale.length > 0) {
      throw new CommandError(
        `Not deployed: ${stale.join(', ')} changed since the policy was compiled. Run \`npm run policy:build\`.`,
      );
    }
    if (io.json) io.out(JSON.stringify({ deployable: true }));
    return 0;
  },
});
