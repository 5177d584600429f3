import { openapi } from '../governance/openapi.ts';
import type { GovernedHandlers } from '../pipeline/govern.ts';
import type { PublicHandler } from '../pipeline/open.ts';
import type { Parts } from '../pipeline/stage.ts';
import { getAudit, getReceipt, listAudit } from './audit.ts';
import { getEvent } from './event.ts';
import { explainRequest } from './explain.ts';
import { health, type Probe, ready } from './health.ts';
import { getHold, setHold } from './hold.ts';
import { ping } from './ping.ts';
import { getCheckpoint, getConsistency, getProof, listLogs } from './proofs.ts';
import { whoami } from './whoami.ts';
import { auditKeys, postCosignature } from './witness.ts';

/** The handlers of the gateway's own operations, by their id in the catalogue. */
export interface Handlers {
  readonly open: { readonly [operation: string]: PublicHandler };
  readonly governed: GovernedHandlers;
}

export function handlers(parts: Parts, probes: readonly Probe[]): Handlers {
  const { auditReader: reader, checkpoints, holds, personal, policy, gate, owners } = parts;
  const { config, recorder, patience } = parts;
  let described: string | undefined;
  return {
    open: {
      'governance.health': health,
      'governance.ready': ready(probes),
      'governance.audit.keys': auditKeys(config),
      'governance.audit.cosign': postCosignature({
        ...{ config, checkpoints, recorder },
        patienceMs: patience.recordMs,
      }),
      'governance.openapi': (c) => {
        described ??= JSON.stringify(openapi());
        return c.body(described, 200, { 'content-type': 'application/json' });
      },
    },
    governed: {
      'governance.audit.list': listAudit({ reader, personal }),
      'governance.audit.get': getAudit({ reader }),
      'governance.audit.logs': listLogs({ checkpoints }),
      'governance.audit.checkpoint': getCheckpoint({ checkpoints }),
      'governance.audit.consistency': getConsistency({ checkpoints }),
      'governance.audit.proof': getProof('tenant', { reader, checkpoints }),
      'governance.receipts.proof': getProof('own', { reader, checkpoints }),
      'governance.receipts.get': getReceipt({ reader }),
      'governance.audit.hold.get': getHold(holds),
      'governance.audit.hold.set': setHold(holds),
      'governance.whoami': whoami(policy, gate.windowMs),
      'governance.explain': explainRequest(policy),
      'platform.ping': ping,
      'platform.events.get': getEvent(owners),
    },
  };
}
