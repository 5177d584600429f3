import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { formatSignerKey, signerKey } from '../../core/note.ts';
import { CommandError } from '../../scripts/lib/command.ts';
import type { IdentityClient } from '../identity.ts';

export const TENANTS = ['acme', 'globex'] as const;
export const ROLES = ['admin', 'agent-writer', 'agent-reader', 'auditor'] as const;

/** What is made at random once and kept for as long as the state it belongs to. */
export interface Secrets {
  /** Names the audit database, so that a cleared state never meets the database of an older one. */
  readonly stateId: string;
  readonly mem0ApiKey: string;
  /** `<key id>:<base64url>`, as the gateway reads it. */
  readonly vaultKey: string;
  /** The same, of a state from before there were vaults. */
  readonly pseudonymKey?: string;
  /** The key that signs checkpoints, as the gateway reads it. */
  readonly signingKey: string;
  /** By the client's id. */
  readonly clientSecrets: { readonly [clientId: string]: string };
}

/** The client of a role in a tenant. */
export function clientId(tenant: string, role: string): string {
  return `${tenant}-${role}`;
}

/** The identity provider's clients: each role in each tenant. */
export function clients({ clientSecrets }: Secrets): IdentityClient[] {
  return TENANTS.flatMap((tenant) =>
    ROLES.map((role) => {
      const id = clientId(tenant, role);
      return { id, secret: clientSecrets[id] ?? '', tenants: [tenant], roles: [role] };
    }),
  );
}

/**
 * The secrets kept in `file`, made on first use.
 *
 * @throws CommandError when the file is damaged.
 */
export async function keptSecrets(file: string): Promise<Secrets> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const secrets = createSecrets();
    await keep(file, secrets);
    return secrets;
  }
  try {
    const kept = JSON.parse(text) as Secrets;
    // A state from before checkpoints, or vaults, has no key for them.
    const secrets = {
      ...kept,
      signingKey: kept.signingKey ?? createSigningKey(auditOrigin(kept)),
      vaultKey: kept.vaultKey ?? createVaultKey(),
    };
    if (kept.signingKey === undefined || kept.vaultKey === undefined) await keep(file, secrets);
    const { stateId, mem0ApiKey, vaultKey, signingKey } = secrets;
    const complete =
      [stateId, mem0ApiKey, vaultKey, signingKey].every(
        (value) => typeof value === 'string' && value !== '',
      ) && clients(secrets).every(({ secret }) => secret !== '');
    if (complete) return secrets;
  } catch {
    // Damaged, as below.
  }
  throw new CommandError(`${file} is damaged: run \`npm run reset\`, which clears the local state.`);
}

/** Renamed when written, so that it is never cut short. */
async function keep(file: string, secrets: Secrets): Promise<void> {
  await writeFile(`${file}.part`, JSON.stringify(secrets), { mode: 0o600 });
  await rename(`${file}.part`, file);
}

/** What the logs of this state are called: its own name, so that no two states ever have one origin. */
export function auditOrigin({ stateId }: Pick<Secrets, 'stateId'>): string {
  return `mem0-governance.local/${stateId}`;
}

function createSigningKey(origin: string): string {
  return formatSignerKey(signerKey(origin, randomBytes(32)));
}

function createVaultKey(): string {
  return `v1:${randomBytes(32).toString('base64url')}`;
}

function createSecrets(): Secrets {
  const random = () => randomBytes(24).toString('base64url');
  const ids = TENANTS.flatMap((tenant) => ROLES.map((role) => clientId(tenant, role)));
  const stateId = randomBytes(4).toString('hex');
  return {
    stateId,
    signingKey: createSigningKey(auditOrigin({ stateId })),
    mem0ApiKey: random(),
    vaultKey: createVaultKey(),
    clientSecrets: Object.fromEntries(ids.map((id) => [id, random()])),
  };
}
