import { fileURLToPath } from 'node:url';
import { clearState } from '../../local/stack/reset.ts';
import { command } from '../lib/command.ts';
import { confirmed } from '../lib/prompt.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run reset --',
  summary:
    'Clears all local state as one: memories, history, the audit database, keys and secrets. Refused while the stack runs.',
  options: {
    yes: { type: 'boolean', default: false, help: 'do not ask' },
  },
  async run({ yes }, _positionals, io) {
    if (
      yes !== true &&
      !(await confirmed(
        'Clear all memories, history, audit records and keys of the local stack?',
        'add `--yes` to clear',
      ))
    ) {
      io.note('Nothing was cleared.');
      return 1;
    }
    const cleared = await clearState(ROOT);
    if (io.json) io.out(JSON.stringify({ cleared }));
    else io.out(cleared.length === 0 ? 'There was no local state.' : `Cleared ${cleared.join(' and ')}.`);
    return 0;
  },
});
