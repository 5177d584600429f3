import { pooled } from '../core/ids.ts';
import type { OwnedKind } from '../core/rpc.ts';
import type { AuditLogSettings } from '../durable-objects/audit-log/settings.ts';
import { SQL_TIMEOUT_MS } from '../durable-objects/neon-sql.ts';
import type { PersonalVaultSettings } from '../durable-objects/personal-vault/personal-vault.ts';
import { personalVaults } from './audit/personal.ts';
import { Recorder } from './audit/recorder.ts';
import { createVerifier } from './auth/verify.ts';
import type { Config } from './config.ts';
import { createGate } from './gate.ts';
import { createAuditReader } from './governance/audit-reader.ts';
import { createCheckpoints } from './governance/checkpoints.ts';
import { createHolds } from './governance/holds.ts';
import { createSubjects } from './governance/subjects.ts';
import type { Homes } from './mem0/home.ts';
import { InflightBytes } from './mem0/inflight.ts';
import { Upstream } from './mem0/upstream.ts';
import { objectsOf } from './objects.ts';
import { createOwners } from './owners.ts';
import type { Parts } from './pipeline/stage.ts';
import { loadPolicy } from './policy/load.ts';
import type { Silo, Silos } from './tenants.ts';

const DAY_MS = 86_400_000;

/** How long OwnerIndex answers for an id: longer than Mem0 keeps what the id still opens. */
export const OWNER_RETENTION_MS: { readonly [K in OwnedKind]: number } = {
  memory: 2200 * DAY_MS,
  event: 30 * DAY_MS,
  export: 30 * DAY_MS,
};

export function auditLogSettings(config: Config): AuditLogSettings {
  return {
    flushIntervalMs: config.AUDIT_FLUSH_INTERVAL_MS,
    batchRows: 1000,
    batchBytes: 4_000_000,
    keepFlushedMs: config.AUDIT_KEEP_FLUSHED_DAYS * DAY_MS,
    keepFlushedBytes: 2 * 1024 ** 3,
    maxUnflushedBytes: config.AUDIT_MAX_UNFLUSHED_BYTES,
    orphanAfterMs: config.ORPHAN_AFTER_MS,
    checkpointIntervalMs: config.AUDIT_CHECKPOINT_INTERVAL_MS,
    origin: config.AUDIT_ORIGIN,
    signer: config.AUDIT_SIGNING_KEY.signer,
    sqlTimeoutMs: SQL_TIMEOUT_MS,
    writerUrl: config.AUDIT_WRITER_URL,
    ...(config.AUDIT_SQL_ENDPOINT === undefined ? {} : { endpoint: config.AUDIT_SQL_ENDPOINT }),
  };
}

export function personalVaultSettings(config: Config): PersonalVaultSettings {
  return {
    keys: config.AUDIT_VAULT_KEYS,
    writerUrl: config.AUDIT_WRITER_URL,
    endpoint: config.AUDIT_SQL_ENDPOINT,
  };
}

/** The parts that do I/O, wired to this deployment's bindings and settings. */
export function buildParts(config: Config, silos: Silos, env: Env): Parts {
  const inflight = new InflightBytes(config.MAX_INFLIGHT_ANSWER_BYTES, config.MAX_ANSWER_BYTES);
  const auditLog = objectsOf(env, 'AUDIT_LOG');
  return {
    config,
    inflight,
    bodies: new InflightBytes(config.MAX_INFLIGHT_BODY_BYTES, config.MAX_BODY_SIZE_BYTES),
    personal: personalVaults({
      object: objectsOf(env, 'PERSONAL_VAULT'),
      keys: config.AUDIT_VAULT_KEYS,
    }),
    patience: { recordMs: 10_000, outcomeMs: 60_000 },
    recorder: new Recorder({ object: auditLog, shards: config.AUDIT_SHARDS }),
    auditReader: createAuditReader({
      url: config.AUDIT_READER_URL,
      endpoint: config.AUDIT_SQL_ENDPOINT,
      shards: config.AUDIT_SHARDS,
      object: auditLog,
    }),
    checkpoints: createCheckpoints({
      readerUrl: config.AUDIT_READER_URL,
      writerUrl: config.AUDIT_WRITER_URL,
      endpoint: config.AUDIT_SQL_ENDPOINT,
      shards: config.AUDIT_SHARDS,
      object: auditLog,
    }),
    subjects: createSubjects({
      readerUrl: config.AUDIT_READER_URL,
      writerUrl: config.AUDIT_WRITER_URL,
      endpoint: config.AUDIT_SQL_ENDPOINT,
    }),
    holds: createHolds({
      readerUrl: config.AUDIT_READER_URL,
      writerUrl: config.AUDIT_WRITER_URL,
      endpoint: config.AUDIT_SQL_ENDPOINT,
    }),
    verifier: createVerifier(config.ISSUERS, {
      fetch: (input, init) => fetch(input, init),
      maxStaleMs: config.JWKS_MAX_STALE_SECONDS * 1000,
    }),
    gate: createGate(config, objectsOf(env, 'ACTOR_GATE')),
    policy: loadPolicy(),
    owners: createOwners(objectsOf(env, 'OWNER_INDEX')),
    homes: createHomes(config, silos, inflight),
  };
}

/** A silo is taken in one lookup and never falls back to the pool: without its secret nothing starts. */
function createHomes(config: Config, silos: Silos, inflight: InflightBytes): Homes {
  const upstream = ({ kind, origin, apiKey }: Omit<Silo, 'raw'>) =>
    new Upstream({
      ...{ kind, origin, apiKey, inflight },
      timeoutMs: config.UPSTREAM_TIMEOUT_MS,
      maxAnswerBytes: config.MAX_ANSWER_BYTES,
      fetch: (input, init) => fetch(input, init),
    });
  const kind = config.MEM0_KIND;
  const pool = upstream({ kind, origin: config.MEM0_ORIGIN, apiKey: config.MEM0_API_KEY });
  const own = new Map(
    [...silos].map(([tenant, silo]) => {
      return [tenant, { space: { tenant, raw: silo.raw }, kind: silo.kind, upstream: upstream(silo) }];
    }),
  );
  return { of: (tenant) => own.get(tenant) ?? { space: pooled(tenant), kind, upstream: pool } };
}
