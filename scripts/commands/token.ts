import { fileURLToPath } from 'node:url';
import { fetchToken } from '../../local/identity.ts';
import { readInfo } from '../../local/stack/info.ts';
import { clientId, ROLES, TENANTS } from '../../local/stack/secrets.ts';
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
    if (!ROLES.some((known) => known === role)) {
      throw new CommandError(`--role is one of ${ROLES.join(', ')}.`, 2);
    }
    if (!TENANTS.some((known) => known === tenant)) {
      throw new CommandError(`--tenant is one of ${TENANTS.join(', ')}.`, 2);
    }
    const info = await readInfo(ROOT);
    if (info === undefined) throw new CommandError('The stack does not run: run `npm start` first.');
    const { tokenUrl, clients } = info.identity;
    const client = clients.find(({ id }) => id === clientId(String(tenant), String(role)));
    if (client === undefined) throw new CommandError('The stack is of another version: start it again.');
    let token: string;
    try {
      token = await fetchToken(tokenUrl, client.id, client.secret);
    } catch (error) {
      throw new CommandError(
        `No token (${(error as Error).message}): stop the stack, then run \`npm start\` again.`,
      );
    }
    io.out(io.json ? JSON.stringify({ token }) : token);
    return 0;
  },
});
