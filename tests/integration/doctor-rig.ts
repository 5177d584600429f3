import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Unstable_Config } from 'wrangler';
import { type Given, SECRETS } from '../../scripts/lib/deploy/environment.ts';
import type { Finding, State } from '../../scripts/lib/doctor/finding.ts';
import { type Ran, run } from '../../scripts/lib/run.ts';

/** What the doctor is given, with nothing in it but what a test says. */
export function given(
  values: { readonly [name: string]: string },
  over: Partial<Omit<Given, 'config'>> & { readonly config?: object } = {},
): Given {
  return {
    env: 'dev',
    configFile: 'wrangler.toml',
    vars: {},
    source: 'a file',
    strangers: [],
    tenantsFile: 'config/tenants.dev.json',
    tenants: { environment: 'dev', tenants: {} },
    secrets: SECRETS,
    ...over,
    values,
    config: (over.config ?? {}) as Unstable_Config,
  };
}

/** The texts of findings in a state. */
export const texts = (found: readonly Finding[], state: State) =>
  found.filter((one) => one.state === state).map(({ what }) => what);

export interface Site {
  readonly url: string;
  /** Answers by path; an address alone redirects. What is not there is 404. */
  pages: { [path: string]: unknown };
  stop(): Promise<void>;
}

/** A small server that answers JSON by path. */
export async function startSite(): Promise<Site> {
  const site = { pages: {} as { [path: string]: unknown } };
  const server: Server = createServer((request, response) => {
    const page = site.pages[request.url ?? ''];
    if (typeof page === 'string') response.writeHead(302, { location: page }).end();
    else if (page === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(page));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(site, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

export interface Call {
  readonly args: readonly string[];
  readonly stdin: string;
  /** The values of its environment variables. */
  readonly env: readonly string[];
}

export interface StandIn {
  /** What goes before a command's environment to make it find the stand-in. */
  readonly env: { readonly PATH: string; readonly STAND_IN: string };
  /** How it answers calls that begin with these words; others succeed in silence. */
  answer(answers: {
    [words: string]: { code?: number; stdout?: string; stderr?: string; delayMs?: number };
  }): Promise<void>;
  calls(): Promise<Call[]>;
  remove(): Promise<void>;
}

/** A `wrangler` that writes down its calls. */
export async function standIn(): Promise<StandIn> {
  const dir = await mkdtemp(join(tmpdir(), 'stand-in-'));
  const bin = fileURLToPath(new URL('stand-in', import.meta.url));
  const log = join(dir, 'calls.jsonl');
  const answer: StandIn['answer'] = async (answers) => {
    await writeFile(log, '');
    await writeFile(join(dir, 'answers.json'), JSON.stringify(answers));
  };
  await answer({});
  return {
    env: { PATH: `${bin}${delimiter}${process.env.PATH}`, STAND_IN: dir },
    answer,
    calls: async () =>
      (await readFile(log, 'utf8'))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Call),
    remove: () => rm(dir, { recursive: true }),
  };
}

/** Runs a command of the project to its end. */
export function runCommand(
  name: string,
  args: readonly string[],
  { env = {}, input }: { env?: { readonly [name: string]: string }; input?: string } = {},
): Promise<Ran> {
  const file = fileURLToPath(new URL('../../scripts/run.cjs', import.meta.url));
  return run(process.execPath, [file, name, ...args], {
    env: { ...process.env, ...env },
    ...(input === undefined ? {} : { input }),
  });
}
