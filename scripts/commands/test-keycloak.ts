import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../../local/child.ts';
import { installKeycloak } from '../../local/keycloak.ts';
import { CommandError, command } from '../lib/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, '.cache', 'keycloak');

await command({
  usage: 'npm run test:keycloak --',
  summary:
    'Imports the committed realm into a real Keycloak and tries it on a running gateway. Needs Java 17; Maven fetches Keycloak into .cache/keycloak once.',
  async run(_values, _positionals, io) {
    const begin = Date.now();
    await installKeycloak(CACHE, io.note).catch((error: Error) => {
      throw new CommandError(error.message);
    });
    const temp = await mkdtemp(join(tmpdir(), 'mem0-governance-keycloak-'));
    // Postgres may run under another user, which has to get through.
    await chmod(temp, 0o711);
    const vitest = startChild({
      argv: [
        process.execPath,
        join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
        ...['run', '--config', join(ROOT, 'tests', 'keycloak', 'vitest.config.ts')],
      ],
      cwd: ROOT,
      env: { ...process.env, TMPDIR: temp },
      onLine: io.note,
    });
    let broken = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        broken = true;
        // Whatever the tests started ends with them.
        void vitest.stop();
      });
    }
    const { code } = await vitest.exited;
    // Tests that were broken off leave their folders, and services that end a moment later than they.
    await rm(temp, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
    if (broken) throw new CommandError('Broken off.', 130);
    const seconds = Math.round((Date.now() - begin) / 1000);
    if (io.json) io.out(JSON.stringify({ ok: code === 0, seconds }));
    else io.note(`${code === 0 ? 'Passed' : 'Failed'} after ${seconds} s.`);
    return code === 0 ? 0 : 1;
  },
});
