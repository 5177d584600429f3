import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CommandError } from '../scripts/lib/command.ts';
import { choosePort, isPortFree } from './ports.ts';
import { engine } from './postgres/engine.ts';
import { initialise, passwordFile, prepareFolder } from './postgres/folder.ts';
import { clearStale, endPostmaster, postmasterFile, STOP_MS } from './postgres/postmaster.ts';
import { type SupervisedProgram, supervise } from './postgres/supervise.ts';
import { databaseUser } from './postgres/user.ts';

export { databaseDir } from './postgres/user.ts';

/** The role that migrates and owns the audit schema: it may create roles and is no superuser. */
export const OWNER_ROLE = 'audit_owner';

export interface PostgresOptions {
  /** The database's folder, made when it is missing: data, passwords, and binaries where they must be copied. */
  readonly dir: string;
  /** 0 or absent: a free one. */
  readonly port?: number | undefined;
  /** What Postgres says, a line at a time. It holds no statement and no value. */
  readonly log?: ((line: string) => void) | undefined;
  /** `false`: for tests; nothing is synced, and a crash of the machine may lose the data. Default `true`. */
  readonly durable?: boolean | undefined;
}

export interface Postgres {
  readonly port: number;
  /** The superuser's connection string, database `postgres`. */
  readonly adminUrl: string;
  /** The password that this folder keeps for a role: random, minted when it is first asked for. */
  password(role: string): string;
  /** A connection string with that password. Whether the role exists and has the password is not checked. */
  url(role: string, database: string): string;
  /** Makes a database that `audit_owner` owns, as a copy of the template if one is given; `false`: it is there. */
  createDatabase(name: string, template?: string): Promise<boolean>;
  /** Resolves with its last words when Postgres ends without having been stopped. */
  readonly crashed: Promise<string>;
  /** Ends all connections and the process. */
  stop(): Promise<void>;
}

/** Errors go to whoever caused them and not into the log, because they quote statements and values. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
};
const NOT_DURABLE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Somebody else may take a free port between its choice and its use. */
const FREE_PORT_TRIES = 3;

/**
 * Starts a real Postgres on 127.0.0.1, passwords required. It ends with this process, however that ends.
 *
 * @throws CommandError with one line that names the remedy: port taken, folder not ours or in use, engine missing.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { durable = true, log = () => {} } = options;
  const dir = resolve(options.dir);
  const user = databaseUser();
  await prepareFolder(dir, user);
  const data = join(dir, 'data');
  await clearStale(data, log);
  const password = passwordFile(join(dir, 'passwords.json'));
  const { initdb, postgres } = await engine(dir, user);
  const run = { cwd: dir, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }, user };
  await initialise(data, initdb, password('postgres'), run, durable);

  const settings = { ...SETTINGS, ...(durable ? {} : NOT_DURABLE) };
  const program = (port: number): SupervisedProgram => ({
    ...run,
    command: postgres,
    args: ['-D', data, ...Object.entries({ ...settings, port }).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    stopSignal: 'SIGINT',
    graceMs: STOP_MS,
  });
  const { port, server } = await launch(options.port ?? 0, program, data, log);

  const url = (role: string, database: string) =>
    `postgresql://${encodeURIComponent(role)}:${password(role)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
  const adminUrl = url('postgres', 'postgres');
  try {
    await asAdmin(adminUrl, async (admin) => {
      const { rowCount } = await admin.query('select from pg_roles where rolname = $1', [OWNER_ROLE]);
      const secret = admin.escapeLiteral(password(OWNER_ROLE));
      await admin.query(
        `${rowCount ? 'alter' : 'create'} role ${OWNER_ROLE} login createrole password ${secret}`,
      );
    });
  } catch (error) {
    await server.stop();
    throw error;
  }
  const createDatabase = (name: string, template?: string) =>
    asAdmin(adminUrl, async (admin) => {
      const { rowCount } = await admin.query('select from pg_database where datname = $1', [name]);
      if (rowCount) return false;
      const from = template === undefined ? '' : ` template ${admin.escapeIdentifier(template)}`;
      await admin.query(`create database ${admin.escapeIdentifier(name)} owner ${OWNER_ROLE}${from}`);
      return true;
    });
  return { port, adminUrl, password, url, createDatabase, crashed: server.crashed, stop: server.stop };
}

interface Server {
  readonly crashed: Promise<string>;
  stop(): Promise<void>;
}

async function launch(
  wanted: number,
  program: (port: number) => SupervisedProgram,
  data: string,
  log: (line: string) => void,
): Promise<{ port: number; server: Server }> {
  for (let attempt = 1; ; attempt++) {
    const port = await portFor(wanted);
    const child = supervise(program(port));
    const server = serverOf(child, data, log);
    const failure = await Promise.race([ready(data, child), server.crashed]);
    if (failure === undefined) return { port, server };
    if (wanted !== 0 || attempt === FREE_PORT_TRIES) {
      throw new CommandError(`Postgres did not start: ${failure}`);
    }
  }
}

function serverOf(child: ChildProcess, data: string, log: (line: string) => void): Server {
  let words = 'no message';
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface(stream).on('line', (line) => {
      if (/\b(FATAL|PANIC):/.test(line)) words = line.replace(/^.*?\b(FATAL|PANIC):\s*/, '');
      log(line);
    });
  }
  // Writing nothing, it can still be told that its other side has gone.
  child.stdin!.on('error', () => {});
  const closed = once(child, 'close');
  const ended = once(child, 'exit').then(async () => {
    // The supervisor may have died without its program, which holds the output open.
    await endPostmaster(data);
    await closed;
  });
  let stopped = false;
  return {
    crashed: ended.then(() => (stopped ? new Promise<never>(() => {}) : words)),
    async stop() {
      stopped = true;
      child.stdin!.end();
      await ended;
    },
  };
}

/** Resolves when Postgres takes connections; never when it ends before. */
async function ready(data: string, child: ChildProcess): Promise<undefined> {
  while (postmasterFile(data)?.state !== 'ready') {
    if (child.exitCode !== null || child.signalCode !== null) return new Promise<never>(() => {});
    await sleep(10);
  }
  return undefined;
}

/** @throws CommandError when the port is taken. */
async function portFor(wanted: number): Promise<number> {
  if (wanted === 0 || (await isPortFree(wanted))) return choosePort(wanted);
  throw new CommandError(
    `Port ${wanted} is taken: stop what listens there, or choose another port for Postgres.`,
  );
}

async function asAdmin<T>(url: string, use: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: url });
  // A connection that breaks between two queries is reported by the next query.
  admin.on('error', () => {});
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.end();
  }
}
