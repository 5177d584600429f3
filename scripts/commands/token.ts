import { fileURLToPath } from 'node:url';
import { readInfo } from '../../local/stack/info.ts';
import { ROLES, TENANTS } from '../../local/stack/secrets.ts';
import { fetchTokenOf } from '../../local/stack/tokens.ts';
import { CommandError, command } from '../lib/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run -s token --',
  summary:
    'Prints an access token of the local identity provider, valid for 8 hours, alone on standard output.',
  options: {
    role: { type: 'string', help: ROLES.join(', ') },
    tenant: { type: 'string', default: TENANTS[0], help: TENANTS.join(' or ') },
  },
  async run({ role, tenant }, _positionals, io) {
    if (typeof role !== 'string' || !ROLES.some((known) => known === role)) {
      throw new CommandError(`--role is one of ${ROLES.join(', ')}.`, 2);
    }
    if (typeof tenant !== 'string' || !TENANTS.some((known) => known === tenant)) {
      throw new CommandError(`--tenant is one of ${TENANTS.join(', ')}.`, 2);
    }
    const info = await readInfo(ROOT);
    if (info === undefined) throw new CommandError('The stack does not run: run `npm start` first.');
    const token = await fetchTokenOf(info, role, tenant);
    io.out(io.json ? JSON.stringify({ token }) : token);
    return 0;
  },
});
