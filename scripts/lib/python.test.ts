import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CommandError } from './command.ts';
import { pythonWith } from './python.ts';

let root: string;
let bin: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-python-'));
  bin = join(root, 'bin');
  await mkdir(bin);
  await writeFile(join(root, 'requirements.txt'), 'mem0ai==1\n');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A Python of the shell: it says its version, and makes an environment whose pip ends as told. */
async function python(newEnough: boolean, pip = 'exit 0'): Promise<void> {
  const script = `#!/bin/sh
case "$1 $2" in
"-m venv") /bin/mkdir -p "$3/bin"; printf '#!/bin/sh\\n${pip}\\n' > "$3/bin/python"; /bin/chmod 755 "$3/bin/python" ;;
*) echo '${newEnough ? 'True' : 'False'} (3, 11)' ;;
esac
`;
  await writeFile(join(bin, 'python3'), script);
  await chmod(join(bin, 'python3'), 0o755);
}
const notes: string[] = [];
const make = () =>
  pythonWith(join(root, 'requirements.txt'), join(root, 'cache'), (line) => notes.push(line), { PATH: bin });
const failure = async () => {
  const error = await make().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CommandError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
};

it('is made once for the same packages, and anew for others', async () => {
  await python(true);
  notes.length = 0;
  const first = await make();
  expect(await make()).toBe(first);
  expect(notes).toHaveLength(1);
  await writeFile(join(root, 'requirements.txt'), 'mem0ai==2\n');
  expect(await make()).not.toBe(first);
});

it('is made again when it was broken off', async () => {
  await python(true, 'echo first >&2; echo no network >&2; exit 1');
  expect(await failure()).toMatch(
    /^The Python environment could not be made \(no network\)\. Install Python/,
  );
  await python(true);
  await make();
});

it('says in a line what a machine lacks', async () => {
  expect(await failure()).toMatch(/^There is no Python 3\.11 here\. Install Python/);
  await python(false);
  expect(await failure()).toMatch(/^There is no Python 3\.11 here\. Install Python/);
});
