import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { adopt } from '../lib/adopt/adopt.ts';
import { Journal } from '../lib/adopt/journal.ts';
import { parseMapping } from '../lib/adopt/mapping.ts';
import { counts, HIDDEN, planText } from '../lib/adopt/plan-text.ts';
import { storeAt } from '../lib/adopt/store.ts';
import { type Survey, survey } from '../lib/adopt/survey.ts';
import { CommandError, command } from '../lib/command.ts';
import { confirmed } from '../lib/prompt.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
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
  exitCodes: { 3: 'all that Mem0 shows was moved, and there may be more', 130: 'stopped' },
  async run({ origin, map, journal: path, apply, yes }, _positionals, io) {
    const mapping = parseMapping(await textOf(map));
    const stopped = new AbortController();
    const halted = new AbortController();
    const stop = () => {
      if (stopped.signal.aborted) halted.abort();
      else io.note('Stopping behind the memory in hand; once more stops at once.');
      stopped.abort();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
    const store = storeAt(originOf(origin), keyOf(), halted.signal);
    const plan = await survey(store, mapping, new Set());
    const told = tell(plan, existsSync(String(path)));
    if (!io.json) for (const line of told.text) io.out(line);
    if (apply !== true || plan.stuck.length > 0) {
      if (io.json) io.out(JSON.stringify(told.json));
      else io.note(apply === true ? 'Nothing was done.' : 'Nothing was done: add --apply to move them.');
      return plan.stuck.length > 0 ? 1 : 0;
    }
    if (yes !== true && !(await confirmed('Move these memories?', 'add `--yes` to move them'))) {
      io.note('Nothing was done.');
      return 1;
    }
    const journal = new Journal(String(path), originOf(origin));
    try {
      const moved = (done: number, of: number) =>
        (done % 100 === 0 || done === of) && io.note(`${done} of ${of} moved`);
      const result = await adopt({ store, mapping, journal, signal: stopped.signal, moved });
      if (io.json) io.out(JSON.stringify(result));
      for (const { tenant, memories, texts } of io.json ? [] : result.tenants) {
        io.out(`${tenant}: ${memories} memories moved, texts ${texts}`);
      }
      if (result.late > 0) io.note(`${result.late} copies whose answer had been lost were taken back.`);
      if (result.hidden) io.note(HIDDEN);
      return result.hidden ? 3 : 0;
    } finally {
      journal.close();
      for (const signal of SIGNALS) process.off(signal, stop);
    }
  },
});

function tell(plan: Survey, begun: boolean) {
  const { stuck, unused, more, hidden } = plan;
  return {
    text: planText(plan, { begun }),
    json: {
      moving: Object.fromEntries(counts(plan.moving.map(({ tenant }) => tenant))),
      settled: Object.fromEntries(counts(plan.settled)),
      stuck,
      unused,
      more,
      hidden,
    },
  };
}

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
