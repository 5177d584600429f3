import { createHmac, randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { ENTITY_IDS } from './ids.ts';
import { firstByte } from './sha256.ts';

/**
 * Personal values, and the random tokens that stand for them in records. A token says nothing about its value; what joins
 * them is a row of the tenant's PersonalVault, in which the value is encrypted. Without the row nobody can join them.
 */

/** What is personal in a request, by its kind: an id of a user, agent, run or app, a client's address, a user agent. */
export interface PersonalValue {
  readonly kind: string;
  readonly value: string;
}

/** The kinds of values that come from the connection, and not from a request. */
const CLIENT_KINDS = ['address', 'agent'] as const;

/** What a token of a record can stand for. */
export const PERSONAL_KINDS = [...ENTITY_IDS, ...CLIENT_KINDS] as const;

/** A key of the vault: what encrypts values, and what finds them again. */
export interface VaultKey {
  readonly id: string;
  readonly encryption: Uint8Array;
  readonly lookup: Uint8Array;
}

/** What the vault keeps of a value. */
export interface SealedValue {
  readonly token: string;
  /** Hex HMAC-SHA-256 by which the value is found again; nobody without the key can make it. */
  readonly lookup: string;
  readonly keyId: string;
  /** The value as a JWE (RFC 7516, compact), bound to its tenant and token. */
  readonly jwe: string;
}

/** Objects of a tenant's vault. */
export const VAULT_SHARDS = 8;

const TOKEN = /^p1\.([A-Za-z0-9_-]{22})$/;
const TOKEN_BYTES = 16;

/** Both halves of a key from its secret of at least 32 bytes; neither tells the other. */
export function vaultKey(id: string, secret: Uint8Array): VaultKey {
  const half = (label: string) => new Uint8Array(createHmac('sha256', secret).update(label).digest());
  return {
    id,
    encryption: half('mem0-governance vault encryption'),
    lookup: half('mem0-governance vault lookup'),
  };
}

/** NUL separates what none of them can hold. */
export function lookupOf({ lookup }: VaultKey, tenant: string, { kind, value }: PersonalValue): string {
  return createHmac('sha256', lookup).update(`${tenant}\0${kind}\0${value}`).digest('hex');
}

/** Which of the tenant's objects keeps a value. */
export function vaultShard({ kind, value }: PersonalValue): number {
  return firstByte(`${kind}\0${value}`) % VAULT_SHARDS;
}

/** A new token: 16 random bytes, but for the bits that say which object keeps it. */
export function newToken(shard: number): string {
  const bytes = randomBytes(TOKEN_BYTES);
  bytes[0] = bytes[0]! - (bytes[0]! % VAULT_SHARDS) + shard;
  return `p1.${bytes.toString('base64url')}`;
}

/** Which object keeps a token; `undefined`: it is none. */
export function tokenShard(token: string): number | undefined {
  const encoded = TOKEN.exec(token)?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64url')[0]! % VAULT_SHARDS;
}

/** Encrypts a value under a new token (`dir`, A256GCM; RFC 7518 §4.5, §5.3). */
export async function sealPersonal(
  key: VaultKey,
  tenant: string,
  value: PersonalValue,
  token = newToken(vaultShard(value)),
): Promise<SealedValue> {
  const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify({ tenant, token, ...value })))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: key.id })
    .encrypt(key.encryption);
  return { token, lookup: lookupOf(key, tenant, value), keyId: key.id, jwe };
}

/**
 * The value of a token; `undefined` where none of the keys opens it, or what is in it is another tenant's or another
 * token's: rows can be moved about by whoever writes to the database.
 */
export async function openPersonal(
  keys: readonly VaultKey[],
  tenant: string,
  token: string,
  jwe: string,
): Promise<PersonalValue | undefined> {
  try {
    const { kid } = decodeProtectedHeader(jwe);
    const key = keys.find(({ id }) => id === kid);
    if (key === undefined) return undefined;
    const { plaintext } = await compactDecrypt(jwe, key.encryption, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    const opened = JSON.parse(Buffer.from(plaintext).toString('utf8')) as PersonalValue & {
      readonly tenant: string;
      readonly token: string;
    };
    if (opened.tenant !== tenant || opened.token !== token) return undefined;
    return { kind: opened.kind, value: opened.value };
  } catch {
    return undefined;
  }
}
