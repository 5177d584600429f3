import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../../local/child.ts';
import { CommandError, type Io } from './command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs the tests of `tests/<name>/`, which `npm test` leaves out because they need more than Node. They get a temporary
 * folder of their own, which goes with them; Ctrl-C stops them and whatever they have started.
 * @throws CommandError when they were broken off.
 */
export async function runSuite(
  name: string,
  io: Io,
  env: { readonly [name: string]: string } = {},
): Promise<number> {
  const begin = Date.now();
  const temp = await mkdtemp(join(tmpdir(), `mem0-governance-${name}-`));
  // Postgres may run under another user, which has to get through.
  await chmod(temp, 0o711);
  const vitest = startChild({
    argv: [
      process.execPath,
      join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
      ...['run', '--config', join(ROOT, 'tests', name, 'vitest.config.ts')],
    ],
    cwd: ROOT,
    env: { ...process.env, ...env, TMPDIR: temp },
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
}
