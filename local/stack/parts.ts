import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { migrate, setRolePasswords } from '../../scripts/lib/migrate.ts';
import { describeExit, type Exit } from '../child.ts';
import { startGateway } from '../gateway.ts';
import { startIdentity } from '../identity.ts';
import { startMem0 } from '../mem0.ts';
import { startNeon } from '../neon.ts';
import { databaseDir, OWNER_ROLE, startPostgres } from '../postgres.ts';
import type { StackInfo, statePaths } from './info.ts';
import type { Ports } from './ports.ts';
import { auditOrigin, clients, ROLES, type Secrets, TENANTS } from './secrets.ts';

/** A part that has come up. `crashed` resolves with how it ended, in words, when nobody stopped it. */
export interface Running<T> {
  readonly value: T;
  readonly crashed?: Promise<string>;
  stop(): Promise<void>;
}

export interface Setting {
  readonly root: string;
  readonly paths: ReturnType<typeof statePaths>;
  readonly ports: Ports;
  readonly secrets: Secrets;
}

type DatabaseInfo = Pick<
  StackInfo,
  'database' | 'auditOwnerUrl' | 'auditWriterUrl' | 'auditReaderUrl' | 'neon'
>;

/** The audit database, migrated, and SQL over HTTP in front of it. */
export async function startDatabase({
  root,
  paths,
  ports,
  secrets,
}: Setting): Promise<Running<DatabaseInfo>> {
  const dir = databaseDir(root);
  const postgres = await startPostgres({ dir, port: ports.postgres, log: logFile(paths.logs, 'postgres') });
  try {
    const name = `audit_${secrets.stateId}`;
    await postgres.createDatabase(name);
    const ownerUrl = postgres.url(OWNER_ROLE, name);
    await migrate(ownerUrl, { log: logFile(paths.logs, 'migrate') });
    await setRolePasswords(ownerUrl, {
      writer: postgres.password('audit_writer'),
      reader: postgres.password('audit_reader'),
    });
    const neon = await startNeon({ databasePort: postgres.port, port: ports.neon });
    return {
      value: {
        database: { dir, port: postgres.port, name, adminUrl: postgres.adminUrl },
        auditOwnerUrl: ownerUrl,
        auditWriterUrl: postgres.url('audit_writer', name),
        auditReaderUrl: postgres.url('audit_reader', name),
        neon: { url: neon.url },
      },
      crashed: postgres.crashed.then((words) => `ended (${words})`),
      async stop() {
        await neon.stop();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

export async function startMemory({ paths, ports, secrets }: Setting): Promise<Running<StackInfo['mem0']>> {
  const { OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL } = process.env;
  const real = Boolean(OPENAI_BASE_URL || OPENAI_API_KEY);
  const baseUrl = OPENAI_BASE_URL || 'https://api.openai.com/v1';
  const mem0 = await startMem0({
    dir: paths.mem0,
    port: ports.mem0,
    apiKey: secrets.mem0ApiKey,
    log: logFile(paths.logs, 'mem0'),
    ...(real && {
      languageModel: {
        baseUrl,
        apiKey: OPENAI_API_KEY || 'none',
        ...(OPENAI_MODEL && { model: OPENAI_MODEL }),
      },
    }),
  });
  return {
    value: { url: mem0.url, apiKey: mem0.apiKey, pid: mem0.pid, languageModel: real ? baseUrl : 'stand-in' },
    crashed: inWords(mem0.exited),
    stop: mem0.stop,
  };
}

export async function startProvider(setting: Setting): Promise<Running<StackInfo['identity']>> {
  const known = clients(setting.secrets);
  const identity = await startIdentity({
    port: setting.ports.identity,
    clients: known,
    persistDir: setting.paths.identity,
  });
  const { issuer, audience, tokenUrl, jwksUrl, stop } = identity;
  return { value: { issuer, audience, tokenUrl, jwksUrl, clients: known }, stop };
}

export async function startWorker(
  { paths, ports, secrets }: Setting,
  { identity, mem0, neon, ...audit }: Omit<StackInfo, 'gateway'>,
): Promise<Running<NonNullable<StackInfo['gateway']>>> {
  const gateway = await startGateway({
    port: ports.gateway,
    persistDir: paths.gateway,
    log: logFile(paths.logs, 'gateway'),
    env: {
      ENVIRONMENT: 'dev',
      TRANSPORT: 'loopback',
      ISSUERS: JSON.stringify([
        {
          issuer: identity.issuer,
          audience: identity.audience,
          jwks_url: identity.jwksUrl,
          algorithms: ['RS256'],
          tenants: TENANTS,
          roles: ROLES,
        },
      ]),
      MEM0_ORIGIN: mem0.url,
      MEM0_API_KEY: mem0.apiKey,
      AUDIT_WRITER_URL: audit.auditWriterUrl,
      AUDIT_READER_URL: audit.auditReaderUrl,
      AUDIT_SQL_ENDPOINT: neon.url,
      AUDIT_ORIGIN: auditOrigin(secrets),
      AUDIT_SIGNING_KEY: secrets.signingKey,
      AUDIT_VAULT_KEYS: secrets.vaultKey,
      ...(secrets.pseudonymKey === undefined ? {} : { AUDIT_PSEUDONYM_KEY: secrets.pseudonymKey }),
    },
  });
  return {
    value: { url: gateway.url, pid: gateway.pid },
    crashed: inWords(gateway.exited),
    stop: gateway.stop,
  };
}

function inWords(exited: Promise<Exit>): Promise<string> {
  return exited.then(describeExit);
}

/** A part's own log file, begun anew with each start; readable for the user alone. */
function logFile(dir: string, part: string): (line: string) => void {
  const stream = createWriteStream(join(dir, `${part}.log`), { mode: 0o600 });
  return (line) => {
    stream.write(`${line}\n`);
  };
}
