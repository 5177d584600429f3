import { ownerIndexObject } from '../core/names.ts';
import type { OwnedKind, OwnerIndexRpc } from '../core/rpc.ts';
import { groupByShard } from '../durable-objects/owner-index/shard.ts';
import { within } from './waits.ts';

/** What a tenant is known to have owned, beyond what Mem0 can still say. */
export interface Owners {
  /** Durable when it returns. @throws Error when an object does not answer. */
  register(tenant: string, kind: OwnedKind, ids: readonly string[], detail?: string): Promise<void>;
  /** @throws Error when the object does not answer. */
  owned(tenant: string, kind: OwnedKind, id: string): Promise<boolean>;
  /** What was registered with an id; `undefined` when it is not owned. @throws Error when the object does not answer. */
  detail(tenant: string, kind: OwnedKind, id: string): Promise<string | undefined>;
}

const OWNERS_TIMEOUT_MS = 5000;

export function createOwners(object: (name: string) => OwnerIndexRpc): Owners {
  const ask = async <T>(call: Promise<T>): Promise<T> => {
    const answer = await within(
      OWNERS_TIMEOUT_MS,
      call.then((value) => ({ value })),
    );
    if (!answer) throw new Error('OwnerIndex did not answer');
    return answer.value;
  };
  return {
    register: async (tenant, kind, ids, detail) => {
      const calls = [...groupByShard(ids)].map(([shard, some]) =>
        ask(object(ownerIndexObject(tenant, shard)).register(kind, some, detail)),
      );
      await Promise.all(calls);
    },
    owned: async (tenant, kind, id) => {
      const [[shard, ids]] = [...groupByShard([id])] as [[number, string[]]];
      const [known] = await ask(object(ownerIndexObject(tenant, shard)).owned(kind, ids));
      return known === true;
    },
    detail: async (tenant, kind, id) => {
      const [[shard]] = [...groupByShard([id])] as [[number, string[]]];
      return (await ask(object(ownerIndexObject(tenant, shard)).detail(kind, id))) ?? undefined;
    },
  };
}
