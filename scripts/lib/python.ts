import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from './command.ts';
import { run } from './run.ts';

const REMEDY = 'Install Python 3.11 or later with its venv module, and put it on the PATH as python3.';

/**
 * A Python with the packages of a requirements file, in a virtual environment of their own in `cacheDir`, made when it
 * is not there yet. Returns its program.
 * @throws CommandError that names the remedy.
 */
export async function pythonWith(
  requirements: string,
  cacheDir: string,
  note: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const version = await run(
    'python3',
    ['-c', 'import sys; print(sys.version_info >= (3, 11), sys.version_info[:2])'],
    {
      env,
    },
  );
  if (version.code !== 0 || !version.stdout.startsWith('True')) {
    throw new CommandError(`There is no Python 3.11 here. ${REMEDY}`);
  }
  const wanted = `${version.stdout}${await readFile(requirements, 'utf8')}`;
  const dir = join(cacheDir, createHash('sha256').update(wanted).digest('hex').slice(0, 16));
  const python = join(dir, 'bin', 'python');
  // Written last, so that an environment that was broken off is made anew.
  const done = join(dir, 'complete');
  if (existsSync(done)) return python;
  note('Making a Python environment in .cache/python/, once.');
  await rm(dir, { recursive: true, force: true });
  await mkdir(cacheDir, { recursive: true });
  await must('python3', ['-m', 'venv', dir], env);
  await must(
    python,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements],
    env,
  );
  await writeFile(done, '');
  return python;
}

async function must(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { code, stderr } = await run(program, args, { env });
  if (code === 0) return;
  const why = stderr.trim().split('\n').at(-1);
  throw new CommandError(`The Python environment could not be made (${why}). ${REMEDY}`);
}
