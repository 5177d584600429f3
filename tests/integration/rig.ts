import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatSignerKey, signerKey } from '../../core/note.ts';
import type { AuditRecord } from '../../core/record.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import { startWorkerd, type Workerd } from '../../local/workerd.ts';
import { type Cluster, type Database, startCluster } from '../../sql/harness.ts';
import { FakeIssuer } from '../fakes/issuer.ts';

export const TENANTS = ['acme', 'globex'] as const;
const AUDIENCE = 'mem0-governance';

export interface RigOptions {
  /** Where Mem0 listens. */
  readonly mem0: { readonly url: string; readonly apiKey: string };
  /** What the issuer may assert; else `TENANTS`. */
  readonly tenants?: readonly string[];
  /** Entries of the tenants' document; else none has a Mem0 of its own. */
  readonly silos?: { readonly [tenant: string]: object };
  /** Settings that differ from the rig's own. */
  readonly env?: { readonly [name: string]: string };
  /** Where V8's inspector of the gateway listens; absent: nowhere. */
  readonly inspectorPort?: number | undefined;
}

/** A gateway on bare workerd with a real Postgres, the SQL endpoint and an issuer of its own. */
export interface Rig {
  readonly url: string;
  readonly port: number;
  /** Where the objects' storage is, under `objects`. */
  readonly dir: string;
  readonly issuer: FakeIssuer;
  readonly cluster: Cluster;
  readonly database: Database;
  /** What the gateway has printed. */
  readonly logs: readonly string[];
  gateway: Workerd;
  neon: Neon;
  /** A token for a tenant and roles; `sub` tells actors apart. */
  token(tenant: string | readonly string[], roles: string | readonly string[], sub?: string): Promise<string>;
  call(method: string, path: string, token?: string, body?: unknown, headers?: HeadersInit): Promise<Answer>;
  /** Every record in Postgres, by log and index. */
  records(): Promise<AuditRecord[]>;
  /** Waits until Postgres holds records that satisfy `enough`. */
  recorded(enough: (records: AuditRecord[]) => boolean): Promise<AuditRecord[]>;
  /** Kills the gateway without warning and starts it again over the same storage. */
  restartGateway(env?: { readonly [name: string]: string }, between?: () => Promise<void>): Promise<void>;
  restartNeon(): Promise<void>;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what came back is what a test is about
  readonly json: any;
}

export async function startRig({
  mem0,
  tenants = TENANTS,
  silos,
  env: extra = {},
  inspectorPort,
}: RigOptions): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-rig-'));
  const cluster = await startCluster();
  const database = await cluster.fresh();
  const neon = await startNeon({ databasePort: cluster.postgres.port });
  const keys = await startKeys();
  let env: { [name: string]: string } = {
    ENVIRONMENT: 'dev',
    TRANSPORT: 'loopback',
    ISSUERS: JSON.stringify([
      {
        issuer: keys.issuer.issuer,
        audience: AUDIENCE,
        jwks_url: keys.jwksUrl,
        algorithms: ['ES256'],
        tenants,
        roles: ['*'],
      },
    ]),
    MEM0_ORIGIN: mem0.url,
    MEM0_API_KEY: mem0.apiKey,
    AUDIT_WRITER_URL: database.url('audit_writer'),
    AUDIT_READER_URL: database.url('audit_reader'),
    AUDIT_SQL_ENDPOINT: neon.url,
    AUDIT_ORIGIN: 'gateway.test',
    AUDIT_SIGNING_KEY: formatSignerKey(signerKey('gateway.test', randomBytes(32))),
    AUDIT_VAULT_KEYS: `v1:${randomBytes(32).toString('base64url')}`,
    AUDIT_FLUSH_INTERVAL_MS: '50',
    RATE_LIMIT_REQUESTS: '100000',
    RATE_LIMIT_ADMIN_REQUESTS: '100000',
    ...extra,
  };
  const logs: string[] = [];
  const document = join(dir, 'tenants.json');
  await writeFile(document, JSON.stringify({ environment: 'dev', tenants: silos ?? {} }));
  const startGateway = (port?: number) =>
    startWorkerd({
      ...(silos ? { tenants: document } : {}),
      env,
      inspectorPort,
      persistDir: join(dir, 'objects'),
      log: (line) => logs.push(line),
      ...(port ? { port } : {}),
    });
  const gateway = await startGateway();
  const port = Number(new URL(gateway.url).port);
  const owner = await database.as('audit_owner');
  const rig: Rig = {
    url: gateway.url,
    port,
    dir,
    issuer: keys.issuer,
    cluster,
    database,
    gateway,
    neon,
    logs,
    token: (tenant, roles, sub = `actor-${[tenant].flat()[0]}-${[roles].flat().join('-')}`) =>
      keys.issuer.sign({
        sub,
        tenant_id: tenant,
        realm_access: { roles: [roles].flat() },
        exp: seconds() + 3600,
      }),
    async call(method, path, token, body, headers) {
      const response = await fetch(`${gateway.url}${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(headers as { [name: string]: string }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        json: text === '' ? undefined : JSON.parse(text),
      };
    },
    async records() {
      const { rows } = await owner.query('select canonical from audit.record order by log, index');
      return rows.map(({ canonical }) => JSON.parse(canonical) as AuditRecord);
    },
    async recorded(enough) {
      for (let tries = 0; ; tries++) {
        const records = await rig.records();
        if (enough(records)) return records;
        if (tries > 200)
          throw new Error(`Postgres holds ${records.length} records, and not what was waited for`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async restartGateway(more = {}, between) {
      await rig.gateway.kill();
      await between?.();
      env = { ...env, ...more };
      rig.gateway = await startGateway(port);
    },
    async restartNeon() {
      await rig.neon.stop();
      rig.neon = await startNeon({
        databasePort: cluster.postgres.port,
        port: Number(new URL(neon.url).port),
      });
    },
    async stop() {
      await rig.gateway.stop();
      await rig.neon.stop();
      await keys.stop();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return rig;
}

const seconds = () => Math.floor(Date.now() / 1000);

async function startKeys() {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(issuer.jwks()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = await FakeIssuer.create({ issuer: base, audience: AUDIENCE, alg: 'ES256' });
  return {
    issuer,
    jwksUrl: `${base}/jwks`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
