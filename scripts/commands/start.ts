import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StackInfo } from '../../local/stack/info.ts';
import { shiftedPorts } from '../../local/stack/ports.ts';
import { startStack } from '../../local/stack.ts';
import { CommandError, command } from '../lib/command.ts';
import { stalePolicies } from '../lib/policy-freshness.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_OFFSET = 50_000;
const PARENT_CHECK_MS = 1000;

await command({
  usage: 'npm start --',
  summary:
    'Starts the whole stack on this machine and keeps it running until Ctrl-C. State is kept in .local; `npm run reset` clears it.',
  options: {
    offset: { type: 'string', value: 'N', default: '0', help: 'add N to every port' },
  },
  async run(values, _positionals, io) {
    const offset = Number(values.offset);
    if (!Number.isInteger(offset) || offset < 0 || offset > MAX_OFFSET) {
      throw new CommandError(`--offset is a whole number from 0 to ${MAX_OFFSET}.`, 2);
    }
    const stopped = new AbortController();
    // npm passes a Ctrl-C on that the terminal has sent here already: the first one counts.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
    stopWithNpm(stopped);
    const begin = Date.now();
    const stack = await startStack({
      root: ROOT,
      ports: shiftedPorts(offset),
      log: io.note,
      signal: stopped.signal,
    });
    const warning = await policyWarning();
    if (io.json)
      io.out(JSON.stringify({ ...addresses(stack.info), ...(warning === undefined ? {} : { warning }) }));
    else for (const line of describe(stack.info)) io.out(line);
    if (warning !== undefined) io.note(warning);
    io.note(`Ready in ${((Date.now() - begin) / 1000).toFixed(1)} s. Ctrl-C stops everything.`);

    const crash = await Promise.race([stack.crashed, aborted(stopped.signal)]);
    if (crash !== undefined) throw new CommandError(crash);
    io.note('Stopping …');
    await stack.stop();
    return 0;
  },
});
// A start that was broken off may still wait for a part, which its supervisor ends with this process.
process.exit();

/** npm passes a signal on to the shell that it started, our parent, which dies of it and passes nothing on. */
function stopWithNpm(stopped: AbortController): void {
  if (process.env.npm_lifecycle_event !== 'start') return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stopped.abort();
  }, PARENT_CHECK_MS).unref();
}

/** One line when the sources of the policy are newer than the module that decides. */
async function policyWarning(): Promise<string | undefined> {
  const remedy = 'run `npm run policy:build`, or decisions stay as they were.';
  try {
    const stale = await stalePolicies(join(ROOT, 'policies'));
    if (stale.length > 0) return `The policy module is older than ${stale.join(', ')}: ${remedy}`;
  } catch (error) {
    return `The policy module cannot be checked (${(error as Error).message}): ${remedy}`;
  }
  return undefined;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

/** Where everything is; nothing of it is secret. */
function addresses({ gateway, identity, database, mem0, neon }: StackInfo) {
  return {
    gateway: gateway?.url,
    identity: identity.issuer,
    database: { host: '127.0.0.1', port: database.port, name: database.name, dir: database.dir },
    mem0: { url: mem0.url, languageModel: mem0.languageModel },
    neon: neon.url,
  };
}

function describe(info: StackInfo): string[] {
  const { gateway, identity, database, mem0, neon } = addresses(info);
  const model =
    mem0.languageModel === 'stand-in'
      ? 'language model: a deterministic stand-in; set OPENAI_BASE_URL or OPENAI_API_KEY for a real one'
      : `language model: ${mem0.languageModel}`;
  return [
    '',
    `Gateway            ${gateway}`,
    `Identity provider  ${identity}`,
    `Audit database     127.0.0.1:${database.port}, database ${database.name}, files in ${database.dir}`,
    `Mem0               ${mem0.url} (${model})`,
    `SQL over HTTP      ${neon}`,
    `State and logs     ${ROOT}.local, connection strings and keys in stack.json there`,
    '',
    ...curls(gateway ?? '').flatMap(({ role, does, args }) => [
      `# ${role}: ${does}`,
      `curl -sS ${args} -H "Authorization: Bearer $(npm run -s token -- --role ${role} --tenant acme)"`,
      '',
    ]),
  ];
}

function curls(gateway: string) {
  const json = "-H 'Content-Type: application/json'";
  return [
    {
      role: 'agent-writer',
      does: 'adds a memory',
      args: `${gateway}/memories ${json} -d '{"messages":[{"role":"user","content":"I drink green tea every morning."}],"user_id":"alice"}'`,
    },
    {
      role: 'agent-reader',
      does: 'finds it',
      args: `${gateway}/search ${json} -d '{"query":"what does she drink","filters":{"user_id":"alice"}}'`,
    },
    { role: 'admin', does: 'deletes all of a user', args: `-X DELETE '${gateway}/memories?user_id=alice'` },
    {
      role: 'auditor',
      does: 'reads what the three above left behind',
      args: `'${gateway}/governance/v1/audit?limit=10'`,
    },
  ] satisfies { readonly role: string; readonly does: string; readonly args: string }[];
}
