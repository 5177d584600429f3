import { spawn } from 'node:child_process';
import { access, mkdir, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { CommandError } from './command.ts';

/** The OPA that the committed module is built with; another version builds other bytes. */
export const OPA_VERSION = '1.22.2';

/** Go's digest of that version's source, as its public checksum database has it. */
const OPA_SUM = 'h1:WzqReKk2VjcvBN/NQTlcIxKqFPKpzIdb6KYMHzPEbe0=';
const OPA_MODULE = 'github.com/open-policy-agent/opa';

const PROGRAM = process.platform === 'win32' ? 'opa.exe' : 'opa';

const REMEDY = `Install OPA ${OPA_VERSION} (https://www.openpolicyagent.org/docs/#1-download-opa) on the PATH, set OPA_BIN to it, or install Go (https://go.dev/dl/), which builds it when the network is there.`;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. 127: it could not be started. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) {
  return new Promise<Ran>((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', (error) => resolve({ code: 127, stdout, stderr: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

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
 * The OPA to use: OPA_BIN, then the PATH, then `.cache/opa/`, else built there from its pinned source by Go.
 * Another version is never used, because it compiles to other bytes: as OPA_BIN it is an error, elsewhere it is
 * passed over with a line that says so.
 * @throws CommandError that names the remedy.
 */
export async function findOpa(
  root: string,
  note: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
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
  return install(dirname(cached), note, env);
}

/** Why a program is not the OPA to use. */
async function refusal(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const version = await versionOf(program, env);
  if (version === OPA_VERSION) return undefined;
  return version === undefined ? 'cannot be run' : `is OPA ${version}`;
}

async function install(dir: string, note: (line: string) => void, env: NodeJS.ProcessEnv): Promise<string> {
  if ((await run('go', ['version'], { env })).code !== 0) {
    throw new CommandError(`Neither OPA ${OPA_VERSION} nor Go was found. ${REMEDY}`);
  }
  note(`Building OPA ${OPA_VERSION} with Go into .cache/opa/; this takes a minute or two, once.`);
  const target = join(dir, PROGRAM);
  await mkdir(dir, { recursive: true });
  const built = await run('go', ['install', `${OPA_MODULE}@v${OPA_VERSION}`], {
    cwd: dir,
    env: { ...env, GOBIN: dir, GOFLAGS: '-mod=mod' },
  });
  if (built.code !== 0) {
    const why = built.stderr.trim().split('\n').at(-1);
    throw new CommandError(`OPA ${OPA_VERSION} could not be built (${why}). ${REMEDY}`);
  }
  const { stdout } = await run('go', ['version', '-m', target], { env });
  const source = stdout.split('\n').find((line) => line.startsWith('\tmod\t'));
  if (source?.split('\t').slice(2).join(' ') !== `${OPA_MODULE} v${OPA_VERSION} ${OPA_SUM}`) {
    await rm(target, { force: true });
    throw new CommandError(`Go built OPA from another source than the pinned one; it was removed. ${REMEDY}`);
  }
  return target;
}
