import { fileURLToPath } from 'node:url';
import { installKeycloak } from '../../local/keycloak.ts';
import { CommandError, command } from '../lib/command.ts';
import { runSuite } from '../lib/suite.ts';

const CACHE = fileURLToPath(new URL('../../.cache/keycloak', import.meta.url));

await command({
  usage: 'npm run test:keycloak --',
  summary:
    'Imports the committed realm into a real Keycloak and tries it on a running gateway. Needs Java 17; Maven fetches Keycloak into .cache/keycloak once.',
  async run(_values, _positionals, io) {
    await installKeycloak(CACHE, io.note).catch((error: Error) => {
      throw new CommandError(error.message);
    });
    return runSuite('keycloak', io);
  },
});
