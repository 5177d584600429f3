import { actorGateObject } from '../core/names.ts';
import type { ActorGateRpc, GateAnswer, GateRequest } from '../core/rpc.ts';
import type { Principal } from './auth/principal.ts';
import type { Config } from './config.ts';

/** Asks the actor's gate. `undefined`: the gate did not answer, and the caller must fail closed. */
export interface Gate {
  readonly windowMs: number;
  admit(
    actor: Pick<Principal, 'tenant' | 'actorHash' | 'roles'>,
    request: Pick<GateRequest, 'id' | 'kind' | 'weight'>,
  ): Promise<GateAnswer | undefined>;
}

/** A gate that takes longer than this counts as failing. */
const GATE_TIMEOUT_MS = 5000;

export function createGate(config: Config, object: (name: string) => ActorGateRpc): Gate {
  const windowMs = config.RATE_LIMIT_WINDOW_SECONDS * 1000;
  return {
    windowMs,
    admit: async (actor, request) => {
      const admin = actor.roles.includes('admin');
      const limit = admin ? config.RATE_LIMIT_ADMIN_REQUESTS : config.RATE_LIMIT_REQUESTS;
      try {
        return await within(
          GATE_TIMEOUT_MS,
          object(actorGateObject(actor.tenant, actor.actorHash)).admit({ ...request, limit, windowMs }),
        );
      } catch {
        return undefined;
      }
    },
  };
}

/** The promise's value, or `undefined` when it takes longer than `ms`. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
