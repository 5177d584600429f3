import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError } from './command.ts';
import { run } from './run.ts';

/** The OPA that the committed module is built with; another version builds other bytes. */
export const OPA_VERSION = '1.20.2';

/** Go's digest of that version's source, as its public checksum database has it. */
const OPA_SUM = 'h1:dlX5VEGA5M62W8+X1nRPEaQIh/CMRn5FcD1mebpKWKg=';
const OPA_MODULE = 'github.com/open-policy-agent/opa';

export interface Releases {
  readonly base: string;
  /** By platform and architecture as Node names them: the file, and the hex SHA-256 that the release states. */
  readonly assets: { readonly [platform: string]: { readonly file: string; readonly sha256: string } };
  /** How long the server may take to begin an answer; and to end it. Milliseconds. */
  readonly patience: { readonly beginMs: number; readonly endMs: number };
}

export const RELEASES: Releases = {
  base: `https://github.com/open-policy-agent/opa/releases/download/v${OPA_VERSION}`,
  assets: {
    'linux-x64': {
      file: 'opa_linux_amd64_static',
      sha256: '69da5179ee403d10fa11bab6cfb4ffb0d23dba5f9b682fa977db772a1da5670f',
    },
    'linux-arm64': {
      file: 'opa_linux_arm64_static',
      sha256: '431bed5a365578241ab06c7cc1c7d0cdff8c11dcbc6f12c3488590deb8b8d66d',
    },
    'darwin-x64': {
      file: 'opa_darwin_amd64',
      sha256: 'e9b8d205db1aeaa6ec350855087b7d7fc014e7728b65cdf822464ee59e63f601',
    },
    'darwin-arm64': {
      file: 'opa_darwin_arm64',
      sha256: '54e7008e696d39e8e4f96594e2b71bcbe45fd9a4f838102bcf1240638bf3fbe1',
    },
    'win32-x64': {
      file: 'opa_windows_amd64.exe',
      sha256: 'e2f2e2b735ab98f316171ca47a6b352288cdeb5a616e31aa16335b8934748453',
    },
  },
  patience: { beginMs: 10_000, endMs: 300_000 },
};

const MAX_BYTES = 256 * 1024 * 1024;

export interface Installing {
  /** Where the program goes; written whole or not at all. */
  readonly target: string;
  readonly note: (line: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly releases: Releases;
  /** What to tell a user when nothing worked. */
  readonly remedy: string;
}

/** Fetches the release, or builds it from its source. @throws CommandError that names the remedy. */
export async function installOpa(installing: Installing): Promise<string> {
  await mkdir(dirname(installing.target), { recursive: true });
  const why = await fromRelease(installing);
  if (why === undefined) return installing.target;
  installing.note(`No released OPA ${OPA_VERSION} (${why}).`);
  return fromSource(installing);
}

/** The released program, if it can be had; else why not. @throws CommandError when it is not the pinned one. */
async function fromRelease({ target, note, releases, remedy }: Installing): Promise<string | undefined> {
  const asset = releases.assets[`${process.platform}-${process.arch}`];
  if (asset === undefined) return `there is none for ${process.platform}-${process.arch}`;
  const url = `${releases.base}/${asset.file}`;
  note(`Fetching ${url} into .cache/opa/.`);
  const fetched = await fetchBytes(url, releases.patience);
  if (!fetched.ok) return fetched.why;
  if (createHash('sha256').update(fetched.bytes).digest('hex') !== asset.sha256) {
    throw new CommandError(`${url} is not the file that is pinned here; it was not kept. ${remedy}`);
  }
  const part = `${target}.${process.pid}.part`;
  try {
    await writeFile(part, fetched.bytes);
    await chmod(part, 0o755);
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
  }
  return undefined;
}

type Fetched =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly why: string };

async function fetchBytes(url: string, { beginMs, endMs }: Releases['patience']): Promise<Fetched> {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), beginMs);
  try {
    const answer = await fetch(url, { signal: stop.signal });
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), endMs);
    if (!answer.ok || answer.body === null) {
      await answer.body?.cancel();
      return { ok: false, why: `the server answers ${answer.status}` };
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.body) {
      size += chunk.length;
      if (size > MAX_BYTES) return { ok: false, why: 'the file is far too large' };
      chunks.push(chunk);
    }
    return { ok: true, bytes: Buffer.concat(chunks) };
  } catch (error) {
    const { message, cause } = error as Error;
    return { ok: false, why: stop.signal.aborted ? 'it took too long' : (reasonOf(cause) ?? message) };
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(cause: unknown): string | undefined {
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : undefined;
}

async function fromSource({ target, note, env, remedy }: Installing): Promise<string> {
  if ((await run('go', ['version'], { env })).code !== 0) {
    throw new CommandError(`Neither OPA ${OPA_VERSION} nor Go was found. ${remedy}`);
  }
  note(`Building OPA ${OPA_VERSION} with Go into .cache/opa/; this takes a minute or two, once.`);
  const dir = dirname(target);
  const built = await run('go', ['install', `${OPA_MODULE}@v${OPA_VERSION}`], {
    cwd: dir,
    env: { ...env, GOBIN: dir, GOFLAGS: '-mod=mod' },
  });
  if (built.code !== 0) {
    const why = built.stderr.trim().split('\n').at(-1);
    throw new CommandError(`OPA ${OPA_VERSION} could not be built (${why}). ${remedy}`);
  }
  const { stdout } = await run('go', ['version', '-m', target], { env });
  const source = stdout.split('\n').find((line) => line.startsWith('\tmod\t'));
  if (source?.split('\t').slice(2).join(' ') !== `${OPA_MODULE} v${OPA_VERSION} ${OPA_SUM}`) {
    await rm(target, { force: true });
    throw new CommandError(`Go built OPA from another source than the pinned one; it was removed. ${remedy}`);
  }
  return target;
}
