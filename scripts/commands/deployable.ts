import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { stalePolicies } from '../lib/policy-freshness.ts';
import { misplacedTenants } from '../lib/tenants-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'node scripts/run.cjs deployable',
  summary:
    "Run by wrangler before it deploys: refuses when the committed policy module is older than its sources, or a tenants' document is not that of its environment.",
  run: async (_values, _positionals, io) => {
    const stale = await stalePolicies(join(ROOT, 'policies'));
    if (stale.length > 0) {
      throw new CommandError(
        `Not deployed: ${stale.join(', ')} changed since the policy was compiled. Run \`npm run policy:build\`.`,
      );
    }
    const misplaced = await misplacedTenants(ROOT);
    if (misplaced.length > 0) throw new CommandError(`Not deployed: ${misplaced.join('; ')}.`);
    if (io.json) io.out(JSON.stringify({ deployable: true }));
    return 0;
  },
});
