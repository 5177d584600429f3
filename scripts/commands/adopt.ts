import { readFile } from 'node:fs/promises';
import { adopt, refuseStuck } from '../lib/adopt/adopt.ts';
import { Journal } from '../lib/adopt/journal.ts';
import { parseMapping } from '../lib/adopt/mapping.ts';
import { countBy, planText, UNSEEN } from '../lib/adopt/plan-text.ts';
import { storeAt } from '../lib/adopt/store.ts';
import { survey } from '../lib/adopt/survey.ts';
import { CommandError, command } from '../lib/command.ts';
import { confirmed } from '../lib/prompt.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

await command({
  usage: 'npm run adopt --',
  summary:
    "Moves the memories of a shared, self-hosted Mem0 into their tenants' namespaces, so that the gateway can stand " +
    'before it. Says what it would do; with --apply it does it. What was stopped goes on with the same command. The key ' +
    'is read from the environment variable MEM0_API_KEY.',
  options: {
    origin: { type: 'string', value: 'URL', help: 'where the self-hosted Mem0 listens' },
    map: { type: 'string', value: 'FILE', help: 'which ids are which tenant’s, as docs/adopt.md has it' },
    journal: {
      type: 'string',
      value: 'FILE',
      default: 'adopt.journal',
      help: 'what was done, to go on from',
    },
    apply: { type: 'boolean', default: false, help: 'move the memories' },
    yes: { type: 'boolean', default: false, help: 'do not ask' },
  },
  async run({ origin, map, journal: path, apply, yes }, _positionals, io) {
    const mapping = parseMapping(await textOf(map));
    const stopped = new AbortController();
    const halted = new AbortController();
    const stop = () => {
      if (stopped.signal.aborted) halted.abort();
      else io.note('Stopping behind the memory in hand; Ctrl-C again stops at once.');
      stopped.abort();
    };
    process.on('SIGINT', stop);
    const store = storeAt(originOf(origin), keyOf(), halted.signal);
    const plan = await survey(store, mapping, new Set());
    if (!io.json) for (const line of planText(plan)) io.out(line);
    const found = Object.fromEntries(countBy(plan.moving.map(({ tenant }) => tenant)));
    const stuck = plan.stuck.map(({ row, why }) => ({ id: row.id, ids: row.ids, why }));
    if (apply !== true || stuck.length > 0) {
      if (io.json) {
        const { settled, more, unseen } = plan;
        io.out(JSON.stringify({ moving: found, settled, stuck, more, unseen }));
      } else if (apply !== true) io.note('Nothing was done: add --apply to move them.');
      if (apply === true) refuseStuck(plan);
      return stuck.length > 0 ? 1 : 0;
    }
    if (yes !== true && !(await confirmed('Move these memories?', 'add `--yes` to move them'))) {
      io.note('Nothing was done.');
      return 1;
    }
    const journal = new Journal(String(path), originOf(origin));
    try {
      const parts = { store, mapping, journal, signal: stopped.signal };
      const { tenants, unseen } = await adopt({
        ...parts,
        moved: (done) => done % 100 === 0 && io.note(`${done} moved`),
      });
      if (io.json) io.out(JSON.stringify({ tenants, unseen }));
      for (const { tenant, memories, texts } of io.json ? [] : tenants) {
        io.out(`${tenant}: ${memories} memories moved, texts ${texts}`);
      }
      if (unseen) io.note(UNSEEN);
      // What `*` stands for was not all found, and a script must not take it for done.
      return unseen && Object.values(mapping).some((ids) => ids && '*' in ids) ? 1 : 0;
    } finally {
      journal.close();
      process.off('SIGINT', stop);
    }
  },
});

async function textOf(path: unknown): Promise<string> {
  if (typeof path !== 'string') throw new CommandError('--map FILE is missing.', 2);
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${path} cannot be read (${error.code}).`);
  });
}

function originOf(text: unknown): string {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || url.pathname !== '/' || url.search !== '') {
    throw new CommandError('--origin is scheme, host and port of the self-hosted Mem0.', 2);
  }
  if (url.protocol !== 'https:' && !LOOPBACK.test(url.hostname)) {
    throw new CommandError('--origin is not https: the key would go over the network in clear.', 2);
  }
  return url.origin;
}

function keyOf(): string {
  const key = process.env.MEM0_API_KEY;
  if (!key) throw new CommandError('The environment variable MEM0_API_KEY is not set.', 2);
  return key;
}
