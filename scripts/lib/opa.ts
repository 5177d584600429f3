import { spawn } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { CommandError } from './command.ts';

/** The OPA that the committed module is built with; another version builds other bytes. */
export const OPA_VERSION = '1.22.2';

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

async function versionOf(program: string): Promise<string | undefined> {
  const { code, stdout } = await run(program, ['version']);
  return code === 0 ? /^Version: (\S+)$/m.exec(stdout)?.[1] : undefined;
}

async function onPath(): Promise<string | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(dir, process.platform === 'win32' ? 'opa.exe' : 'opa');
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
 * The OPA to use: OPA_BIN, then the PATH, then `.cache/opa/`, else built there from its pinned source by Go, whose
 * checksum database vouches for it.
 * @throws CommandError that names the remedy.
 */
export async function findOpa(root: string, note: (line: string) => void): Promise<string> {
  const cached = join(root, '.cache', 'opa', OPA_VERSION, process.platform === 'win32' ? 'opa.exe' : 'opa');
  const named = process.env.OPA_BIN;
  if (named !== undefined && named !== '') {
    const version = await versionOf(named);
    if (version === OPA_VERSION) return named;
    const what = version === undefined ? 'cannot be run' : `is OPA ${version}`;
    throw new CommandError(`OPA_BIN (${named}) ${what}: point it at OPA ${OPA_VERSION}, or unset it.`);
  }
  const found = await onPath();
  if (found !== undefined && (await versionOf(found)) === OPA_VERSION) return found;
  if (found !== undefined) note(`Passing over ${found}: it is not OPA ${OPA_VERSION}.`);
  if ((await versionOf(cached)) === OPA_VERSION) return cached;
  return install(root, cached, note);
}

async function install(root: string, target: string, note: (line: string) => void): Promise<string> {
  const remedy = `Install OPA ${OPA_VERSION} (https://www.openpolicyagent.org/docs/#1-download-opa) on the PATH, set OPA_BIN, or install Go 1.24 or later.`;
  if ((await run('go', ['version'])).code !== 0)
    throw new CommandError(`OPA ${OPA_VERSION} was not found. ${remedy}`);
  note(`Building OPA ${OPA_VERSION} with Go into .cache/opa/; this takes a minute or two, once.`);
  const dir = join(root, '.cache', 'opa', OPA_VERSION);
  await mkdir(dir, { recursive: true });
  const env = { ...process.env, GOBIN: dir, GOFLAGS: '-mod=mod' };
  const built = await run('go', ['install', `github.com/open-policy-agent/opa@v${OPA_VERSION}`], {
    cwd: dir,
    env,
  });
  if (built.code !== 0 || (await versionOf(target)) !== OPA_VERSION) {
    throw new CommandError(
      `OPA ${OPA_VERSION} could not be built (${built.stderr.trim().split('\n').at(-1)}). ${remedy}`,
    );
  }
  return target;
}
