import { readFileSync } from 'node:fs';
import { pooled } from '../../core/ids.ts';
import { formatSignerKey, signerKey } from '../../core/note.ts';
import type { AuditRecord } from '../../core/record.ts';
import type { AppendAnswer, AppendEntry, GateAnswer } from '../../core/rpc.ts';
import { AuditMachine } from '../../durable-objects/audit-log/machine.ts';
import { SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import { MemoryVaults } from '../../durable-objects/personal-vault/testing/memory.ts';
import { MemoryStore } from '../../durable-objects/storage/testing/store.ts';
import { createApp } from '../../worker/app.ts';
import { personalVaults } from '../../worker/audit/personal.ts';
import { Recorder } from '../../worker/audit/recorder.ts';
import { createVerifier } from '../../worker/auth/verify.ts';
import { readConfig } from '../../worker/config.ts';
import type { AuditReader } from '../../worker/governance/audit-reader.ts';
import type { Holds } from '../../worker/governance/holds.ts';
import type { Subjects } from '../../worker/governance/subjects.ts';
import { InflightBytes } from '../../worker/mem0/inflight.ts';
import { Upstream } from '../../worker/mem0/upstream.ts';
import type { Parts } from '../../worker/pipeline/stage.ts';
import { createPolicy } from '../../worker/policy/policy.ts';
import { handlers } from '../../worker/routes/index.ts';
import { FakeIssuer } from '../fakes/issuer.ts';

const ISSUER = 'https://id.example.com';
const read = (path: string) => readFileSync(new URL(`../../policies/${path}`, import.meta.url));
const policy = createPolicy(
  new WebAssembly.Module(read('module/policy.wasm')),
  JSON.parse(read('data.json').toString()) as object,
  'policy-digest',
);
const issuer = await FakeIssuer.create({ issuer: ISSUER, audience: 'mem0-governance', alg: 'ES256' });

const notAsked = () => Promise.reject(new Error('not asked'));
const NOT_ASKED = {
  status: notAsked,
  record: notAsked,
  checkpoint: notAsked,
  inclusion: notAsked,
  consistency: notAsked,
};

/** A good token of acme. */
export const granted = (role = 'admin') =>
  issuer.sign({ sub: 'ann', tenant_id: 'acme', realm_access: { roles: [role] } });

/**
 * The whole way of a request in one process, on the edge's transport: verification, policy and audit log are the
 * real ones, and what fails is chosen by the test.
 */
export class Bench {
  readonly machines = new Map<string, AuditMachine>();
  readonly stores = new Map<string, MemoryStore>();
  /** Called before each append; throwing makes the log unreachable. */
  beforeAppend: (entries: readonly AppendEntry[]) => void = () => undefined;
  gate: () => Promise<GateAnswer | undefined> = async () => ({
    admitted: true,
    limit: 100,
    remaining: 99,
    resetMs: 60_000,
    retryAfterMs: 0,
  });
  mem0: (request: Request) => Promise<Response> = async () => Response.json({ results: [] });
  readonly asked: Request[] = [];
  readonly background: Promise<unknown>[] = [];
  readonly vaults = new MemoryVaults();
  policy = policy;
  auditReader: AuditReader = {
    page: async () => ({ rows: [], logs: [] }),
    record: async () => undefined,
  };
  holds: Holds = { last: notAsked, set: notAsked };
  subjects: Subjects = { records: notAsked, retired: notAsked, retire: notAsked };
  keys: () => Response = () => Response.json(issuer.jwks());

  append(name: string, entries: readonly AppendEntry[]): AppendAnswer[] {
    this.beforeAppend(entries);
    let machine = this.machines.get(name);
    if (!machine) {
      const store = new MemoryStore();
      const [tenant, shard] = [
        name.slice(0, name.lastIndexOf('~')),
        Number(name.slice(name.lastIndexOf('~') + 1)),
      ];
      machine = new AuditMachine(store, SETTINGS, { tenant, shard });
      this.machines.set(name, machine);
      this.stores.set(name, store);
    }
    return machine.append(entries, Date.now());
  }

  records(): AuditRecord[] {
    return [...this.stores.values()].flatMap((store) =>
      store
        .exec<{ text: string }>('SELECT text FROM record ORDER BY idx')
        .map(({ text }) => JSON.parse(text) as AuditRecord),
    );
  }

  app(env: { readonly [name: string]: string } = {}) {
    const config = readConfig({ ...EDGE, ...env });
    const inflight = new InflightBytes(config.MAX_INFLIGHT_ANSWER_BYTES, config.MAX_ANSWER_BYTES);
    const bodies = new InflightBytes(config.MAX_INFLIGHT_BODY_BYTES, config.MAX_BODY_SIZE_BYTES);
    const upstream = new Upstream({
      kind: 'oss',
      origin: config.MEM0_ORIGIN,
      apiKey: config.MEM0_API_KEY,
      timeoutMs: config.UPSTREAM_TIMEOUT_MS,
      maxAnswerBytes: config.MAX_ANSWER_BYTES,
      inflight,
      fetch: async (input, init) => {
        // Only the runtime of Workers knows this one.
        const { cache: _, ...rest } = init as RequestInit;
        const request = new Request(input as string, rest);
        this.asked.push(request);
        return this.mem0(request);
      },
    });
    const parts: Parts = {
      config,
      inflight,
      bodies,
      policy: this.policy,
      patience: { recordMs: 150, outcomeMs: 300 },
      personal: personalVaults({
        object: (name) => this.vaults.object(name),
        keys: config.AUDIT_VAULT_KEYS,
      }),
      recorder: new Recorder({
        object: (name) => ({
          append: async (entries) => this.append(name, entries),
          ...NOT_ASKED,
        }),
        shards: 1,
      }),
      auditReader: this.auditReader,
      checkpoints: {
        ...{ logs: notAsked, last: notAsked, inclusion: notAsked, consistency: notAsked },
        ...{ cosigned: notAsked, keepCosignature: notAsked },
      },
      holds: this.holds,
      subjects: this.subjects,
      verifier: createVerifier(config.ISSUERS, { fetch: async () => this.keys(), maxStaleMs: 0 }),
      gate: { windowMs: 60_000, admit: () => this.gate() },
      owners: { register: async () => undefined, owned: async () => false, detail: async () => undefined },
      homes: { of: (tenant) => ({ space: pooled(tenant), kind: 'oss', upstream }) },
    };
    return { app: createApp(parts, handlers(parts, [], '')), inflight, bodies };
  }

  async send(path: string, options: Sent = {}): Promise<Response> {
    const { token = await granted(), env, app = this.app(env).app } = options;
    const { method = 'GET', body, headers = {}, scheme = 'https', tls = 'TLSv1.3' } = options;
    const request = new Request(`${scheme}://gateway.example.com${path}`, {
      method,
      headers: {
        host: 'gateway.example.com',
        'cf-connecting-ip': '203.0.113.77',
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    Object.defineProperty(request, 'cf', { value: { tlsVersion: tls, country: 'FR' } });
    const waitUntil = (promise: Promise<unknown>) => this.background.push(promise);
    return app.request(
      request,
      undefined,
      {},
      { waitUntil, passThroughOnException: () => undefined, props: {} },
    );
  }
}

interface Sent {
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly scheme?: 'http' | 'https';
  readonly tls?: string;
  readonly env?: { readonly [name: string]: string };
  readonly app?: ReturnType<typeof createApp>;
}

const EDGE = {
  ENVIRONMENT: 'production',
  TRANSPORT: 'edge',
  ISSUERS: JSON.stringify([
    {
      issuer: ISSUER,
      audience: 'mem0-governance',
      jwks_url: `${ISSUER}/jwks`,
      algorithms: ['ES256'],
      tenants: ['acme'],
      roles: ['*'],
    },
  ]),
  MEM0_ORIGIN: 'https://mem0.example.com',
  MEM0_API_KEY: 'key',
  AUDIT_WRITER_URL: 'postgresql://writer@db.example.com/audit',
  AUDIT_READER_URL: 'postgresql://reader@db.example.com/audit',
  AUDIT_ORIGIN: 'audit.example.com',
  AUDIT_SIGNING_KEY: formatSignerKey(signerKey('audit.example.com', new Uint8Array(32).fill(3))),
  AUDIT_VAULT_KEYS: `v1:${Buffer.alloc(32, 3).toString('base64url')}`,
};
