import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { CommandError } from './command.ts';
import { installOpa, OPA_VERSION, RELEASES } from './opa-install.ts';
import { run } from './run.ts';

const PROGRAM = process.platform === 'win32' ? 'opa.exe' : 'opa';

const REMEDY = `Install OPA ${OPA_VERSION} (https://www.openpolicyagent.org/docs/#1-download-opa) on the PATH, set OPA_BIN to it, or install Go (https://go.dev/dl/), which builds it when the network is there.`;

async function versionOf(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { code, stdout } = await run(program, ['version'], { env });
  return code === 0 ? /^Version: (\S+)$/m.exec(stdout)?.[1] : undefined;
}

async function onPath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    const program = join(dir, PROGRAM);
    if (dir !== '' && (await exists(program))) return program;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The OPA to use: OPA_BIN, then the PATH, then `.cache/opa/`, else the pinned release, fetched into there, else
 * built there from its pinned source by Go.
 * Another version is never used, because it compiles to other bytes: as OPA_BIN it is an error, elsewhere it is
 * passed over with a line that says so.
 * @throws CommandError that names the remedy.
 */
export async function findOpa(
  root: string,
  note: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
  releases = RELEASES,
): Promise<string> {
  const named = env.OPA_BIN;
  if (named !== undefined && named !== '') {
    const wrong = await refusal(named, env);
    if (wrong === undefined) return named;
    throw new CommandError(`OPA_BIN (${named}) ${wrong}: point it at OPA ${OPA_VERSION}, or unset it.`);
  }
  const cached = join(root, '.cache', 'opa', OPA_VERSION, PROGRAM);
  for (const program of [await onPath(env), (await exists(cached)) ? cached : undefined]) {
    if (program === undefined) continue;
    const wrong = await refusal(program, env);
    if (wrong === undefined) return program;
    note(`Passing over ${program}: it ${wrong}, and OPA ${OPA_VERSION} is needed.`);
  }
  return installOpa({ target: cached, note, env, releases, remedy: REMEDY });
}

/** Why a program is not the OPA to use. */
async function refusal(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const version = await versionOf(program, env);
  if (version === OPA_VERSION) return undefined;
  return version === undefined ? 'cannot be run' : `is OPA ${version}`;
}
