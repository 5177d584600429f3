/**
 * Every name of a log or a Durable Object is built here and nowhere else. `~` and `:` are in no tenant id,
 * so a name reads back in exactly one way.
 */

/** A tenant id: exact case, never renamed, never reused. */
export const TENANT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The tenant under which requests without a verified identity are recorded. No token can assert it. */
export const STRANGERS = '~strangers';

/** The parts of a log's name `<tenant>~<shard>~<epoch>`. Shards count from 0, epochs from 1. */
export interface LogName {
  readonly tenant: string;
  readonly shard: number;
  readonly epoch: number;
}

const LOG = /^(~strangers|[A-Za-z0-9][A-Za-z0-9._-]{0,63})~(0|[1-9]\d{0,4})~([1-9]\d{0,8})$/;

export function logName({ tenant, shard, epoch }: LogName): string {
  return `${tenant}~${shard}~${epoch}`;
}

/** The parts of a log's name, or `undefined` when it is none. */
export function parseLogName(name: string): LogName | undefined {
  const match = LOG.exec(name);
  if (!match) return undefined;
  return { tenant: match[1]!, shard: Number(match[2]), epoch: Number(match[3]) };
}

/** The AuditLog object of a tenant's shard; all epochs of the shard live in it. */
export function auditLogObject(tenant: string, shard: number): string {
  return `${tenant}~${shard}`;
}

/** The parts of an AuditLog object's name, or `undefined` when it is none. */
export function parseAuditLogObject(name: string): Omit<LogName, 'epoch'> | undefined {
  const parts = parseLogName(`${name}~1`);
  return parts && { tenant: parts.tenant, shard: parts.shard };
}

/** The ActorGate object of an actor; `actorHash` is the hex SHA-256 of issuer NUL subject. */
export function actorGateObject(tenant: string, actorHash: string): string {
  return `${tenant}:${actorHash}`;
}

/** OwnerIndex objects of a tenant: an id's shard is the first byte of its SHA-256, modulo this. */
export const OWNER_SHARDS = 8;

export function ownerIndexObject(tenant: string, shard: number): string {
  return `${tenant}~owners~${shard}`;
}

/** PersonalVault objects of a tenant; `core/personal.ts` says which keeps what. */
export function personalVaultObject(tenant: string, shard: number): string {
  return `${tenant}~vault~${shard}`;
}
