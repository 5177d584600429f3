import { access, chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandError } from './command.ts';
import { findOpa, OPA_VERSION, run } from './opa.ts';

const SUM = 'h1:WzqReKk2VjcvBN/NQTlcIxKqFPKpzIdb6KYMHzPEbe0=';

let root: string;
let bin: string;
let cached: string;
let notes: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-opa-'));
  bin = join(root, 'bin');
  cached = join(root, '.cache', 'opa', OPA_VERSION, 'opa');
  await mkdir(bin);
  notes = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Programs in the place of OPA and Go: shell scripts that use nothing but the shell. */
async function program(path: string, script: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
const opa = (path: string, version: string) => program(path, `echo "Version: ${version}"`);

/** A Go that installs a program of that version and says that it was made from that source. */
function go(version: string, source: string, install = '') {
  const built = `printf '#!/bin/sh\\necho "Version: ${version}"\\n' > "$GOBIN/opa"; /bin/chmod 755 "$GOBIN/opa"`;
  return program(
    join(bin, 'go'),
    `case "$1 $2" in
"install github.com/open-policy-agent/opa@v${OPA_VERSION}") ${install === '' ? built : install} ;;
"version -m") printf '%s: go1.26\\n\\tpath\\tx\\n\\tmod\\t${source}\\n' "$3" ;;
*) echo go version go1.26 ;;
esac`,
  );
}

function find(env: NodeJS.ProcessEnv = {}): Promise<string> {
  return findOpa(root, (line) => notes.push(line), { PATH: bin, ...env });
}

/** The failure that a user sees: a CommandError of one line. */
async function failure(env: NodeJS.ProcessEnv = {}): Promise<string> {
  const error = await find(env).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CommandError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
}

describe('the order', () => {
  it('is OPA_BIN, PATH, cache', async () => {
    const named = await opa(join(root, 'elsewhere', 'my-opa'), OPA_VERSION);
    const onPath = await opa(join(bin, 'opa'), OPA_VERSION);
    await opa(cached, OPA_VERSION);
    expect(await find({ OPA_BIN: named })).toBe(named);
    expect(await find()).toBe(onPath);
    expect(await find({ OPA_BIN: '' })).toBe(onPath);
    await rm(onPath);
    expect(await find()).toBe(cached);
    expect(notes).toEqual([]);
  });

  it('searches every folder of the PATH, and none for an empty entry', async () => {
    const second = await opa(join(root, 'second', 'opa'), OPA_VERSION);
    expect(await find({ PATH: `:${bin}:${join(root, 'second')}` })).toBe(second);
  });
});

describe('another version', () => {
  it('is an error as OPA_BIN, even when the right one is on the PATH', async () => {
    const named = await opa(join(root, 'my-opa'), '1.22.1');
    await opa(join(bin, 'opa'), OPA_VERSION);
    expect(await failure({ OPA_BIN: named })).toBe(
      `OPA_BIN (${named}) is OPA 1.22.1: point it at OPA ${OPA_VERSION}, or unset it.`,
    );
  });

  it('is passed over on the PATH and in the cache, with a line for each', async () => {
    const onPath = await opa(join(bin, 'opa'), '0.70.0');
    await opa(cached, '1.22.20');
    expect(await failure()).toContain(`Neither OPA ${OPA_VERSION} nor Go was found. Install OPA`);
    expect(notes).toEqual([
      `Passing over ${onPath}: it is OPA 0.70.0, and OPA ${OPA_VERSION} is needed.`,
      `Passing over ${cached}: it is OPA 1.22.20, and OPA ${OPA_VERSION} is needed.`,
    ]);
  });
});

it('says when OPA_BIN cannot be run', async () => {
  expect(await failure({ OPA_BIN: join(root, 'absent') })).toContain('cannot be run');
  expect(await failure({ OPA_BIN: root })).toContain('cannot be run');
  expect(await failure({ OPA_BIN: await program(join(root, 'silent'), 'exit 0') })).toContain(
    'cannot be run',
  );
});

it('fails with the remedy when there is nothing at all', async () => {
  expect(await failure()).toMatch(
    /^Neither OPA .* nor Go was found\. Install OPA .* set OPA_BIN .* install Go/,
  );
});

describe('with Go', () => {
  const source = `github.com/open-policy-agent/opa\\tv${OPA_VERSION}\\t${SUM}`;

  it('builds into the cache, says so first, and then finds it there', async () => {
    await go(OPA_VERSION, source);
    expect(await find()).toBe(cached);
    expect(notes).toEqual([expect.stringMatching(/^Building OPA .* this takes a minute or two, once\.$/)]);
    await rm(join(bin, 'go'));
    expect(await find()).toBe(cached);
  });

  it.each([
    ['another digest', source.replace('WzqR', 'AAAA')],
    ['another version', source.replace(`v${OPA_VERSION}`, 'v1.22.3')],
    ['another module', source.replace('open-policy-agent', 'someone')],
    ['no digest, as of a local copy', source.replace(`\\t${SUM}`, '')],
  ])('removes what was built from %s', async (_name, other) => {
    await go(OPA_VERSION, other);
    expect(await failure()).toContain('another source than the pinned one');
    await expect(access(cached)).rejects.toThrow('ENOENT');
  });

  it('says why it could not be built, and what else to do', async () => {
    await go(OPA_VERSION, source, 'echo first >&2; echo "dial tcp: no route" >&2; exit 1');
    expect(await failure()).toMatch(/could not be built \(dial tcp: no route\)\. Install OPA/);
  });
});

it('runs a program to its end and tells one that cannot be started', async () => {
  const loud = await program(join(bin, 'loud'), 'echo out; echo err >&2; exit 3');
  expect(await run(loud, [])).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
  expect((await run(join(bin, 'absent'), [])).code).toBe(127);
});
