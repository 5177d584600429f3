import { personalVaultObject } from '../core/names.ts';
import { VAULT_SHARDS } from '../core/personal.ts';
import { neonSql } from '../durable-objects/neon-sql.ts';
import type { Config } from './config.ts';
import { objectsOf } from './objects.ts';

/**
 * Wakes the vaults of tenants whose values an old key still encrypts: each goes on by itself, and one that nobody uses
 * would not. At most a hundred tenants a time. @throws when the database cannot be asked.
 */
export async function wakeVaults(config: Config, env: Env): Promise<void> {
  const sql = await neonSql(config.AUDIT_WRITER_URL, config.AUDIT_SQL_ENDPOINT);
  const rows = (await sql`select tenant from audit.tenants_to_rekey(${config.AUDIT_VAULT_KEYS[0]!.id})`) as {
    readonly tenant: string;
  }[];
  const vault = objectsOf(env, 'PERSONAL_VAULT');
  for (const { tenant } of rows) {
    const shards = Array.from({ length: VAULT_SHARDS }, (_, shard) => personalVaultObject(tenant, shard));
    await Promise.allSettled(shards.map((name) => vault(name).wake()));
  }
}
