import type { PersonalVaultRpc } from '../../../core/rpc.ts';
import { MemoryStore } from '../../audit-log/testing/store.ts';
import { Vault } from '../vault.ts';

/** Vaults in memory, one for each name, that can be out of reach. */
export class MemoryVaults {
  readonly #vaults = new Map<string, Vault>();
  /** Names of the calls that were made. */
  readonly calls: string[] = [];
  down = false;

  vault(name: string): Vault {
    const vault = this.#vaults.get(name) ?? new Vault(new MemoryStore());
    this.#vaults.set(name, vault);
    return vault;
  }

  object(name: string): PersonalVaultRpc {
    const call = async <T>(what: string, run: (vault: Vault) => T): Promise<T> => {
      this.calls.push(what);
      if (this.down) throw new Error('the object cannot be reached');
      return run(this.vault(name));
    };
    return {
      find: (values) => call('find', (vault) => vault.find(values)),
      keep: (tenant, values) => call('keep', (vault) => vault.keep(tenant, values)),
      read: (tokens) => call('read', (vault) => vault.read(tokens)),
      erase: (values) =>
        call('erase', (vault) => ({ tokens: vault.erase(values), copies: 'removed' as const })),
      wake: () => call('wake', () => undefined),
    };
  }
}
