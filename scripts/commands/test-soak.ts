import { CommandError, command } from '../lib/command.ts';
import { runSuite } from '../lib/suite.ts';

await command({
  usage: 'npm run test:soak --',
  summary:
    'Loads a gateway while it, the SQL endpoint, processes of Postgres and Mem0 are killed at random, and then holds what ' +
    'each client was told against the audit database, record for record.',
  options: {
    minutes: {
      type: 'string',
      value: 'N',
      default: '2',
      help: 'how long; another minute or two for what was left open',
    },
    seed: { type: 'string', value: 'N', help: 'which requests and troubles; else one is chosen and shown' },
  },
  async run({ minutes, seed = String(Date.now() % 2 ** 31) }, _positionals, io) {
    if (!/^\d{1,4}(\.\d{1,2})?$/.test(String(minutes))) throw new CommandError('--minutes is a number.', 2);
    if (!/^\d{1,10}$/.test(String(seed))) throw new CommandError('--seed is a whole number.', 2);
    io.note(`Seed ${seed}.`);
    return runSuite('soak', io, { SOAK_MINUTES: String(minutes), SOAK_SEED: String(seed) });
  },
});
