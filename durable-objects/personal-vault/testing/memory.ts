import type { PersonalVaultRpc } from '../../../core/rpc.ts';
import { MemoryStore } from '../../storage/testing/store.ts';
import { Vault } from '../vault.ts';

/** Vaults in memory, one for each name, that can be out of reach. */
export class MemoryVaults {
  readonly #vaults = new Map<string, Vault>();
  /** Names of the calls that were made. */
  readonly calls: string[] = [];
  down = false;
  /** The next call that keeps something fails, before it or behind it. */
  lose: 'before' | 'behind' | undefined;

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
      findAll: (values) => call('findAll', (vault) => vault.findAll(values)),
      keep: (tenant, values) =>
        call('keep', (vault) => {
          const lost = this.lose;
          this.lose = undefined;
          if (lost === 'before') throw new Error('nothing was kept');
          const tokens = vault.keep(tenant, values);
          if (lost === 'behind') throw new Error('the answer was lost');
          return tokens;
        }),
      read: (tokens) => call('read', (vault) => vault.read(tokens)),
      erase: (values) =>
        call('erase', (vault) => ({ tokens: vault.erase(values), copies: 'removed' as const })),
      wake: () => call('wake', () => undefined),
    };
  }
}
