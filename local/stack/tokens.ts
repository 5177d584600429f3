import { CommandError } from '../../scripts/lib/command.ts';
import { fetchToken } from '../identity.ts';
import type { StackInfo } from './info.ts';
import { clientId } from './secrets.ts';

/**
 * An access token of the running stack's identity provider, valid for 8 hours.
 * @throws CommandError that names the remedy.
 */
export async function fetchTokenOf(info: StackInfo, role: string, tenant: string): Promise<string> {
  const { tokenUrl, clients } = info.identity;
  const client = clients.find(({ id }) => id === clientId(tenant, role));
  if (client === undefined) {
    throw new CommandError(
      `The local stack gives no tokens for the role ${role} of ${tenant}, but to those of acme and globex.`,
    );
  }
  try {
    return await fetchToken(tokenUrl, client.id, client.secret);
  } catch (error) {
    throw new CommandError(
      `No token (${(error as Error).message}): stop the stack, then run \`npm start\` again.`,
    );
  }
}
