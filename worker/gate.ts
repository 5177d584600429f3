import { actorGateObject } from '../core/names.ts';
import type { ActorGateRpc, GateAnswer, GateRequest } from '../core/rpc.ts';
import type { Principal } from './auth/principal.ts';
import type { Config } from './config.ts';
import type { Waits } from './waits.ts';

/** Asks the actor's gate. `undefined`: the gate did not answer, and the caller must fail closed. */
export interface Gate {
  readonly windowMs: number;
  admit(
    actor: Pick<Principal, 'tenant' | 'actorHash' | 'roles'>,
    request: Pick<GateRequest, 'id' | 'kind' | 'weight'>,
    waits: Waits,
  ): Promise<GateAnswer | undefined>;
}

/** A gate that takes longer than this counts as failing. */
const GATE_TIMEOUT_MS = 5000;

export function createGate(config: Config, object: (name: string) => ActorGateRpc): Gate {
  const windowMs = config.RATE_LIMIT_WINDOW_SECONDS * 1000;
  return {
    windowMs,
    admit: async (actor, request, waits) => {
      const admin = actor.roles.includes('admin');
      const limit = admin ? config.RATE_LIMIT_ADMIN_REQUESTS : config.RATE_LIMIT_REQUESTS;
      try {
        return await waits.within(
          GATE_TIMEOUT_MS,
          object(actorGateObject(actor.tenant, actor.actorHash)).admit({ ...request, limit, windowMs }),
        );
      } catch {
        return undefined;
      }
    },
  };
}
