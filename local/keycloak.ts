import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '../scripts/lib/run.ts';
import { type Exit, startChild } from './child.ts';
import { choosePort, freePort } from './ports.ts';
import { waitForHttp } from './wait.ts';

/** The Keycloak that the realm is tested with. */
export const KEYCLOAK_VERSION = '26.7.0';

/** SHA-256 of that version's archive, so that a registry or a cache cannot give another. */
const ARCHIVE_SHA256 = 'f771df0aa1e4820f57d56f7d6d015beb6415487b43f8de7e5a6d48f8a7fe118a';
const ARTIFACT = `org.keycloak:keycloak-quarkus-dist:${KEYCLOAK_VERSION}:tar.gz`;
const ARCHIVE = `keycloak-quarkus-dist-${KEYCLOAK_VERSION}.tar.gz`;
const MIN_JAVA = 17;
/** The first start builds Keycloak's own bundle and takes twice as long as the others. */
const READY_MS = 180_000;
const ADMIN = 'admin';

export interface Keycloak {
  /** Where it listens; a realm's issuer is `<url>/realms/<name>`. */
  readonly url: string;
  /** The bootstrap administrator of the `master` realm. */
  readonly admin: { readonly username: string; readonly password: string };
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
}

/** Where the distribution is kept below a cache folder. */
export function keycloakHome(cacheDir: string): string {
  return join(cacheDir, `keycloak-${KEYCLOAK_VERSION}`);
}

/**
 * The unpacked distribution in `cacheDir`, fetched with Maven when it is not there yet.
 *
 * @throws Error in one line that names the remedy: without Java 17 or Maven, on Windows, or when the archive is not the pinned one.
 */
export async function installKeycloak(cacheDir: string, note: (line: string) => void): Promise<string> {
  if (process.platform === 'win32') {
    throw new Error(
      'Keycloak is started by its shell script, on Linux or macOS: on Windows, run this in WSL.',
    );
  }
  await requireJava();
  const home = keycloakHome(cacheDir);
  if (existsSync(home)) return home;
  if ((await run('mvn', ['--version'])).code !== 0) {
    throw new Error('Maven was not found. Install it (`mvn --version` must work), then run this again.');
  }
  await mkdir(cacheDir, { recursive: true });
  const dir = await mkdtemp(join(cacheDir, 'unpacking-'));
  try {
    note(`Fetching Keycloak ${KEYCLOAK_VERSION} with Maven (176 MB, once).`);
    // Pinned, because which version a bare `dependency:copy` means differs from Maven to Maven.
    const copied = await run('mvn', [
      ...['--batch-mode', '--quiet', 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy'],
      ...[`-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${dir}`],
    ]);
    if (copied.code !== 0) {
      const why = (copied.stdout + copied.stderr).split('\n').find((line) => line.includes('ERROR'));
      const remedy = 'look at its network and settings.xml';
      throw new Error(
        `Maven could not fetch ${ARTIFACT}, ${remedy} (${why?.trim() ?? `code ${copied.code}`}).`,
      );
    }
    const archive = join(dir, ARCHIVE);
    const hash = createHash('sha256');
    await pipeline(createReadStream(archive), hash);
    if (hash.digest('hex') !== ARCHIVE_SHA256) {
      throw new Error(`${ARTIFACT} is not the archive that is pinned here; it was not kept.`);
    }
    note('Unpacking it.');
    const unpacked = await run('tar', ['-xzf', archive, '-C', dir]);
    if (unpacked.code !== 0) throw new Error(`tar could not unpack it (${unpacked.stderr.trim()}).`);
    await rename(join(dir, `keycloak-${KEYCLOAK_VERSION}`), home);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return home;
}

async function requireJava(): Promise<void> {
  const { JAVA_HOME } = process.env;
  const { code, stdout, stderr } = await run(JAVA_HOME ? join(JAVA_HOME, 'bin', 'java') : 'java', [
    '-version',
  ]);
  const version = /version "([^"]+)"/.exec(stderr + stdout)?.[1];
  if (code === 0 && Number.parseInt(version ?? '', 10) >= MIN_JAVA) return;
  const found = version === undefined ? 'none was found' : `this is ${version}`;
  throw new Error(
    `Keycloak needs Java ${MIN_JAVA} or later and ${found}: install a JDK, on PATH or JAVA_HOME.`,
  );
}

/**
 * Starts Keycloak in development mode on loopback with a database in memory, which ends with it, and waits until
 * its `master` realm answers.
 *
 * @throws Error when it does not come up; nothing keeps running then.
 */
export async function startKeycloak(options: {
  /** What `installKeycloak` returned. */
  readonly home: string;
  readonly password: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  readonly log: (line: string) => void;
}): Promise<Keycloak> {
  const { home, password, log } = options;
  const port = await choosePort(options.port);
  let last = 'nothing';
  const child = startChild({
    argv: [
      join(home, 'bin', 'kc.sh'),
      ...['start-dev', '--db=dev-mem', '--cache=local'],
      ...['--http-host=127.0.0.1', `--http-port=${port}`, `--http-management-port=${await freePort()}`],
    ],
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME, JAVA_HOME: process.env.JAVA_HOME },
      ...{ KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN, KC_BOOTSTRAP_ADMIN_PASSWORD: password },
    },
    onLine: (line) => {
      last = line;
      log(line);
    },
    // The script between passes no signal on, and there is nothing on disk that Java would have to close.
    graceMs: 500,
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitForHttp({
      name: 'Keycloak',
      url: `${url}/realms/master`,
      child,
      timeoutMs: READY_MS,
      accept: (status) => status === 200,
    });
  } catch (error) {
    await child.kill();
    throw new Error(`${(error as Error).message}; the last it said: ${last}`);
  }
  return {
    url,
    admin: { username: ADMIN, password },
    pid: child.pid,
    exited: child.exited,
    stop: () => child.kill(),
  };
}
