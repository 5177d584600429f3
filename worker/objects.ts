import type { ActorGateRpc, AuditLogRpc, OwnerIndexRpc, PersonalVaultRpc } from '../core/rpc.ts';

/** What the objects of each binding are asked. */
interface Rpc {
  readonly ACTOR_GATE: ActorGateRpc;
  readonly AUDIT_LOG: AuditLogRpc;
  readonly OWNER_INDEX: OwnerIndexRpc;
  readonly PERSONAL_VAULT: PersonalVaultRpc;
}

/** As many as tokens are remembered. */
const IDS = 5000;

/** Objects by name. An id is the keyed hash of its name, and is made once for each: a stub is good for one request only. */
export function objectsOf<B extends keyof Rpc>(env: Env, binding: B): (name: string) => Rpc[B] {
  const namespace = env[binding];
  const ids = new Map<string, DurableObjectId>();
  return (name) => {
    let id = ids.get(name);
    if (id === undefined) {
      if (ids.size >= IDS) ids.clear();
      id = namespace.idFromName(name);
      ids.set(name, id);
    }
    return namespace.get(id) as unknown as Rpc[B];
  };
}
