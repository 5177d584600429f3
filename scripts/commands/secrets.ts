import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { SETTINGS, type SettingName } from '../../worker/settings.ts';
import { CommandError, command } from '../lib/command.ts';
import { type Deployment, readDeployment } from '../lib/deploy/environment.ts';
import { CONFIG_OPTION, ENV_OPTION } from '../lib/deploy/options.ts';
import {
  generate,
  parseSecrets,
  put,
  refuseReplacing,
  type Secrets,
  secretNames,
  validate,
} from '../lib/deploy/secrets.ts';
import { wranglerFor } from '../lib/deploy/wrangler.ts';
import { askSecret } from '../lib/prompt.ts';

await command({
  usage: 'npm run secrets --',
  summary:
    "Sets the gateway's secrets at Cloudflare, from questions that do not show what is typed, from a file, or from " +
    'standard input. They go to wrangler by its standard input, and only their names are ever printed.',
  options: {
    ...ENV_OPTION,
    ...CONFIG_OPTION,
    file: { type: 'string', help: 'NAME=value lines, or a JSON object' },
    stdin: { type: 'boolean', default: false, help: 'the same from standard input' },
    only: { type: 'string', value: 'NAME', multiple: true, help: 'this secret, not all; may be repeated' },
    generate: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      help: 'make it at random: AUDIT_VAULT_KEYS, AUDIT_SIGNING_KEY',
    },
    replace: { type: 'boolean', default: false, help: 'generate also what is set already' },
    'dry-run': { type: 'boolean', default: false, help: 'check everything and set nothing' },
  },
  refusal:
    'Secrets are not taken from arguments, where other programs see them: use --file, --stdin or the questions.',
  async run(values, _positionals, io) {
    if (values.file !== undefined && values.stdin === true) {
      throw new CommandError('--file and --stdin exclude each other.', 2);
    }
    const deployment = readDeployment(String(values.env), String(values.config));
    const only = secretNames(
      (values.only as string[] | undefined) ?? deployment.secrets,
      '--only',
      deployment,
    );
    const made = generate(
      ((values.generate as string[] | undefined) ?? []).filter((name) => name !== ''),
      deployment,
    );
    const asked = only.filter((name) => !(name in made));
    const given = asked.length === 0 ? {} : await read(values, asked, deployment);
    const secrets: Secrets = {
      ...Object.fromEntries(asked.flatMap((name) => (given[name] ? [[name, given[name]]] : []))),
      ...made,
    };
    const names = deployment.secrets.filter((name) => name in secrets);
    if (names.length === 0) throw new CommandError('No secret was given. Nothing was set.');
    validate(secrets, deployment);
    const dryRun = values['dry-run'] === true;
    if (!dryRun) {
      const wrangler = wranglerFor(deployment);
      if (Object.keys(made).length > 0 && values.replace !== true)
        await refuseReplacing(Object.keys(made), wrangler);
      await put(secrets, wrangler);
    }
    if (io.json) io.out(JSON.stringify(dryRun ? { valid: names } : { set: names }));
    else for (const name of names) io.out(`${dryRun ? 'would set' : 'set'} ${name}`);
    return 0;
  },
});

const SILO_SECRET = 'A tenant\'s own Mem0, as JSON: {"origin": "https://…", "key": "…"}';

async function read(
  { file, stdin }: { readonly [name: string]: unknown },
  asked: readonly string[],
  deployment: Deployment,
): Promise<Secrets> {
  if (stdin === true) return parseSecrets(await textOf(process.stdin), deployment);
  if (typeof file === 'string') {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new CommandError(`The file cannot be read (${error.code}).`);
    });
    return parseSecrets(text, deployment);
  }
  if (!process.stdin.isTTY) {
    throw new CommandError('There is no terminal to ask at: use --file or --stdin.', 2);
  }
  const answers: { [name: string]: string } = {};
  process.stderr.write('An empty answer leaves a secret as it is.\n');
  for (const name of asked) {
    const text = Object.hasOwn(SETTINGS, name) ? SETTINGS[name as SettingName].text : SILO_SECRET;
    answers[name] = await askSecret(`${name} (${text})\n> `);
  }
  return answers;
}
