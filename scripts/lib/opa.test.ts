import { createHash } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandError } from './command.ts';
import { findOpa } from './opa.ts';
import { OPA_VERSION, RELEASES, type Releases } from './opa-install.ts';
import { run } from './run.ts';

const SUM = 'h1:dlX5VEGA5M62W8+X1nRPEaQIh/CMRn5FcD1mebpKWKg=';
const HERE = `${process.platform}-${process.arch}`;
/** No release for this machine: the next step is Go. */
const NONE: Releases = { ...RELEASES, assets: {} };

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

function find(env: NodeJS.ProcessEnv = {}, releases = NONE): Promise<string> {
  return findOpa(root, (line) => notes.push(line), { PATH: bin, ...env }, releases);
}

/** The failure that a user sees: a CommandError of one line. */
async function failure(env: NodeJS.ProcessEnv = {}, releases = NONE): Promise<string> {
  const error = await find(env, releases).catch((thrown: unknown) => thrown);
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
    const named = await opa(join(root, 'my-opa'), '1.20.1');
    await opa(join(bin, 'opa'), OPA_VERSION);
    expect(await failure({ OPA_BIN: named })).toBe(
      `OPA_BIN (${named}) is OPA 1.20.1: point it at OPA ${OPA_VERSION}, or unset it.`,
    );
  });

  it('is passed over on the PATH and in the cache, with a line for each', async () => {
    const onPath = await opa(join(bin, 'opa'), '0.70.0');
    await opa(cached, '1.20.20');
    expect(await failure()).toContain(`Neither OPA ${OPA_VERSION} nor Go was found. Install OPA`);
    expect(notes.slice(0, 2)).toEqual([
      `Passing over ${onPath}: it is OPA 0.70.0, and OPA ${OPA_VERSION} is needed.`,
      `Passing over ${cached}: it is OPA 1.20.20, and OPA ${OPA_VERSION} is needed.`,
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

describe('a release', () => {
  const bytes = Buffer.from(`#!/bin/sh\necho "Version: ${OPA_VERSION}"\n`);
  let server: Server;
  let answer: (path: string) => { readonly status: number; readonly body?: Buffer } | 'never';
  let releases: Releases;
  beforeEach(async () => {
    answer = () => ({ status: 200, body: bytes });
    server = createServer((request, response) => {
      const given = answer(request.url ?? '');
      if (given !== 'never') response.writeHead(given.status).end(given.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    releases = {
      base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v`,
      assets: { [HERE]: { file: 'opa_here', sha256: createHash('sha256').update(bytes).digest('hex') } },
      patience: { beginMs: 200, endMs: 5000 },
    };
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is fetched into the cache, without Go, and then found there', async () => {
    const asked: string[] = [];
    answer = (path) => {
      asked.push(path);
      return { status: 200, body: bytes };
    };
    expect(await find({}, releases)).toBe(cached);
    expect(await find({}, releases)).toBe(cached);
    expect(asked).toEqual(['/v/opa_here']);
    expect(notes).toEqual([`Fetching ${releases.base}/opa_here into .cache/opa/.`]);
    expect((await run(cached, ['version'], { env: {} })).stdout).toContain(OPA_VERSION);
  });

  it('of other bytes is refused and not kept, even where Go could build it', async () => {
    await go(OPA_VERSION, `github.com/open-policy-agent/opa\\tv${OPA_VERSION}\\t${SUM}`);
    answer = () => ({ status: 200, body: Buffer.concat([bytes, Buffer.from('#')]) });
    expect(await failure({}, releases)).toContain('is not the file that is pinned here; it was not kept');
    await expect(access(cached)).rejects.toThrow('ENOENT');
  });

  it.each([
    ['the server answers 404', () => ({ status: 404 })],
    ['it took too long', () => 'never' as const],
  ])('that cannot be had leaves it to Go: %s', async (why, given) => {
    await go(OPA_VERSION, `github.com/open-policy-agent/opa\\tv${OPA_VERSION}\\t${SUM}`);
    answer = given;
    expect(await find({}, releases)).toBe(cached);
    expect(notes).toContain(`No released OPA ${OPA_VERSION} (${why}).`);
  });

  it('is looked for without a server too', async () => {
    expect(await failure({}, { ...releases, base: 'http://127.0.0.1:1' })).toContain('nor Go was found');
    expect(notes.at(-1)).toMatch(/^No released OPA .* \(\S+.*\)\.$/);
  });

  it('is pinned by a digest for every platform that has one', () => {
    for (const { file, sha256 } of Object.values(RELEASES.assets)) {
      expect(file).toMatch(/^opa_(linux|darwin|windows)_(amd64|arm64)(_static|\.exe)?$/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(new Set(Object.values(RELEASES.assets).map(({ sha256 }) => sha256)).size).toBe(5);
  });
});

describe('with Go', () => {
  const source = `github.com/open-policy-agent/opa\\tv${OPA_VERSION}\\t${SUM}`;

  it('builds into the cache, says so first, and then finds it there', async () => {
    await go(OPA_VERSION, source);
    expect(await find()).toBe(cached);
    expect(notes).toEqual([
      `No released OPA ${OPA_VERSION} (there is none for ${HERE}).`,
      expect.stringMatching(/^Building OPA .* this takes a minute or two, once\.$/),
    ]);
    await rm(join(bin, 'go'));
    expect(await find()).toBe(cached);
  });

  it.each([
    ['another digest', source.replace('dlX5', 'AAAA')],
    ['another version', source.replace(`v${OPA_VERSION}`, 'v1.20.3')],
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
