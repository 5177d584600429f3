import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { clearState } from '../../local/stack/reset.ts';
import { CommandError, command } from '../lib/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run reset --',
  summary:
    'Clears all local state as one: memories, history, the audit database, keys and secrets. Refused while the stack runs.',
  options: {
    yes: { type: 'boolean', default: false, help: 'do not ask' },
  },
  async run({ yes }, _positionals, io) {
    if (yes !== true && !(await confirmed())) {
      io.note('Nothing was cleared.');
      return 1;
    }
    const cleared = await clearState(ROOT);
    if (io.json) io.out(JSON.stringify({ cleared }));
    else io.out(cleared.length === 0 ? 'There was no local state.' : `Cleared ${cleared.join(' and ')}.`);
    return 0;
  },
});

/** @throws CommandError without a terminal, where nobody can be asked. */
async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CommandError('There is no terminal to ask at: add `--yes` to clear.');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(
      'Clear all memories, history, audit records and keys of the local stack? [y/N] ',
    );
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
    // Ctrl-C at the question is a no.
    process.stderr.write('\n');
    return false;
  } finally {
    terminal.close();
  }
}
