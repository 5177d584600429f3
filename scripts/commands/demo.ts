import { fileURLToPath } from 'node:url';
import { readInfo, type StackInfo } from '../../local/stack/info.ts';
import { fetchTokenOf } from '../../local/stack/tokens.ts';
import { startStack } from '../../local/stack.ts';
import { CommandError, command } from '../lib/command.ts';
import { walk } from '../lib/demo.ts';
import { paintFor } from '../lib/paint.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The superuser's connection string, to the audit database. */
function inDatabase({ adminUrl, name }: StackInfo['database']): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

await command({
  usage: 'npm run demo --',
  summary:
    'Walks through the local stack in plain words: add, search, a denied write, another tenant, a rate limit, the records of all that, and how an altered one is found. Starts the stack, and stops it again, when it does not run.',
  options: {
    'no-color': {
      type: 'boolean',
      default: false,
      help: 'no colours; NO_COLOR in the environment does the same',
    },
  },
  async run(values, _positionals, io) {
    const stopped = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
    const running = await readInfo(ROOT);
    const started =
      running === undefined
        ? await startStack({ root: ROOT, log: io.note, signal: stopped.signal })
        : undefined;
    try {
      const info = running ?? started!.info;
      if (info.gateway === undefined) throw new CommandError('The stack runs without its gateway.');
      const tokens = new Map<string, Promise<string>>();
      const result = await walk({
        gateway: info.gateway.url,
        token: (role, tenant) => {
          const name = `${role} ${tenant}`;
          const token = tokens.get(name) ?? fetchTokenOf(info, role, tenant);
          tokens.set(name, token);
          return token;
        },
        audit: { readerUrl: info.auditReaderUrl, superuserUrl: inDatabase(info.database) },
        say: io.json ? () => {} : io.out,
        paint: paintFor(process.stdout, { wanted: values['no-color'] !== true }),
        signal: stopped.signal,
      });
      if (io.json) io.out(JSON.stringify(result));
      return 0;
    } catch (error) {
      if (stopped.signal.aborted) throw new CommandError('The demo was broken off.', 130);
      throw error;
    } finally {
      await started?.stop();
    }
  },
});
process.exit();
