import { CommandError } from '../command.ts';
import { exitCodeOf, type Finding, linesOf } from '../doctor/finding.ts';
import type { Smoke } from './smoke.ts';
import { envArgs, jsonOf, type Wrangler, whyFailed } from './wrangler.ts';

/** What a deploy does things with. */
export interface DeployParts {
  readonly env: string;
  readonly wrangler: Wrangler;
  readonly examine: () => AsyncIterable<Finding>;
  readonly examineDatabase: () => Promise<readonly Finding[]>;
  /** Names of the migrations that would be applied. */
  readonly pending: () => Promise<readonly string[]>;
  /** Applies them; returns their names. */
  readonly migrate: () => Promise<readonly string[]>;
  readonly smoke: () => AsyncIterable<Smoke>;
  /** A yes or no of a person's; `instead` names the option that would have said it. */
  readonly confirm: (question: string, instead: string) => Promise<boolean>;
  /** Change things without asking. */
  readonly yes: boolean;
  readonly acceptUnknown: boolean;
  /** Look, build, and stop before anything is changed. */
  readonly dryRun: boolean;
  readonly note: (line: string) => void;
  /** Aborted: stop before the next step. */
  readonly signal: AbortSignal;
}

export interface Deployed {
  /** False: it was a dry run. */
  readonly deployed: boolean;
  /** The version that served before; absent: there was none. */
  readonly previous?: string;
  /** What was applied; of a dry run, what would be. */
  readonly migrations: readonly string[];
}

const UNTOUCHED = 'Nothing was changed.';

/**
 * Deploys in steps: looks at everything, asks, changes the database, then the Worker, then looks again.
 * @throws CommandError at the first step that fails, saying what state things are in.
 */
export async function deploy(parts: DeployParts): Promise<Deployed> {
  const { env, wrangler, note, signal } = parts;
  let state = UNTOUCHED;
  let steps = 0;
  const step = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    if (signal.aborted) throw new CommandError(`Stopped before step ${steps + 1}, ${name}. ${state}`);
    note(`\n[${++steps}/${parts.dryRun ? 3 : 8}] ${name}`);
    try {
      return await run();
    } catch (error) {
      if (error instanceof CommandError) throw new CommandError(`${error.message} ${state}`, error.exitCode);
      throw error;
    }
  };
  const must = async (args: readonly string[], what: string) => {
    const ran = await wrangler(args);
    if (ran.code === 0) return ran.stdout;
    for (const line of (ran.stdout + ran.stderr).trim().split('\n').slice(-15)) note(`    ${line}`);
    throw new CommandError(`${what} failed (exit code ${ran.code}).`);
  };

  const pending = await step('look at everything the deployment needs', async () => {
    const names = await parts.pending();
    const found = await collect(parts.examine(), note);
    // A schema that is to be migrated is not yet as it should be; it is looked at again when it is.
    await judge(names.length === 0 ? found : found.filter(({ area }) => area !== 'database'), parts);
    return names;
  });
  await step('build the Worker', () => must(['deploy', '--dry-run'], 'The build'));
  const previous = await step('find the version that serves now', () => serving(wrangler));
  note(previous === undefined ? '    none: this is the first' : `    ${previous}`);
  const before = previous === undefined ? {} : { previous };
  const toApply = `    migrations to apply: ${pending.join(', ') || 'none'}`;
  if (parts.dryRun) {
    note(toApply);
    return { deployed: false, ...before, migrations: pending };
  }
  await step('ask', async () => {
    note(toApply);
    const question = `Migrate the audit database and deploy to ${env}?`;
    if (!parts.yes && !(await parts.confirm(question, 'add `--yes` to deploy'))) {
      throw new CommandError('Not confirmed.');
    }
  });
  const migrations = await step('migrate the audit database', () => {
    state = 'The Worker is as it was; `npm run db:migrate -- --dry-run` says how the schema is.';
    return parts.migrate();
  });
  for (const name of migrations) note(`    applied ${name}`);
  state =
    migrations.length === 0
      ? 'The schema was up to date, and the Worker is as it was.'
      : 'The schema is migrated, and the Worker is as it was: it runs on the new schema.';
  await step('look at the database again', async () =>
    judge(await collect(await parts.examineDatabase(), note), parts),
  );
  await step('deploy the Worker', async () => {
    // Cut off here, nobody knows whether the upload arrived.
    state = `Whether the new version serves is not certain: see \`npx wrangler deployments list ${envArgs(env)}\`.`;
    await must(['deploy'], 'The deploy');
  });
  state = ['The new version serves.', ...goingBack(env, previous)].join('\n');
  await step('try the deployed gateway', async () => {
    const wrong: string[] = [];
    for await (const { what, wrong: how } of parts.smoke()) {
      note(how === undefined ? `    ok     ${what}` : `    FAILED ${what}: ${how}`);
      if (how !== undefined) wrong.push(how);
    }
    if (wrong.length > 0)
      throw new CommandError(`The deployed gateway is not as it should be: ${wrong.join('; ')}.`);
  });
  return { deployed: true, ...before, migrations };
}

async function collect(
  from: AsyncIterable<Finding> | Iterable<Finding>,
  note: DeployParts['note'],
): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of from) {
    found.push(finding);
    for (const line of linesOf(finding)) note(`    ${line}`);
  }
  return found;
}

/** @throws CommandError when something failed, or is not known and nobody goes on without it. */
async function judge(
  found: readonly Finding[],
  { acceptUnknown, confirm, signal }: DeployParts,
): Promise<void> {
  // Ctrl-C ends wrangler too, which then could not say what it was asked.
  if (signal.aborted) throw new CommandError('Stopped.');
  const code = exitCodeOf(found);
  if (code === 1) throw new CommandError('Something failed: mend it first.');
  const unknown = found.filter((one) => one.state === 'unknown').length;
  const question = `${unknown} of the checks could not be made. Go on all the same?`;
  if (code === 3 && !acceptUnknown && !(await confirm(question, 'add `--accept-unknown` to go on'))) {
    throw new CommandError('Some checks could not be made.');
  }
}

/** The version that most requests reach. @throws CommandError when Cloudflare cannot be asked. */
async function serving(wrangler: Wrangler): Promise<string | undefined> {
  const ran = await wrangler(['deployments', 'list', '--json']);
  if (ran.code !== 0 && whyFailed(ran) === 'no_worker') return undefined;
  const list = jsonOf(ran.stdout) as
    | readonly { created_on?: unknown; versions?: { version_id?: unknown; percentage?: unknown }[] }[]
    | undefined;
  if (ran.code !== 0 || !Array.isArray(list)) {
    throw new CommandError('wrangler could not list the deployments: run `npx wrangler login`.');
  }
  const latest = [...list].sort((a, b) => String(b.created_on).localeCompare(String(a.created_on)))[0];
  const most = [...(latest?.versions ?? [])].sort((a, b) => Number(b.percentage) - Number(a.percentage))[0];
  return typeof most?.version_id === 'string' ? most.version_id : undefined;
}

/** How to undo a deploy, as lines. */
export function goingBack(env: string, previous: string | undefined): string[] {
  if (previous === undefined) return ['There is no earlier version to go back to.'];
  return [
    `To go back: npx wrangler rollback ${previous} ${envArgs(env)}`,
    'Migrations only go forward: the version before runs on the new schema. Cloudflare refuses to go back past a',
    'version that added a class of Durable Objects.',
  ];
}
