import { CommandError, command } from '../lib/command.ts';
import { run } from '../lib/run.ts';
import { runSuite } from '../lib/suite.ts';

await command({
  usage: 'npm run test:go --',
  summary: "Checks bundles of `npm run audit:verify` with Go's own transparency-log packages. Needs Go.",
  async run(_values, _positionals, io) {
    if ((await run('go', ['version'], { env: process.env })).code !== 0) {
      throw new CommandError('Go was not found. Install Go 1.24 or later, and put it on the PATH.');
    }
    return runSuite('go', io);
  },
});
