import type { GovernedHandlers } from '../pipeline/govern.ts';
import type { PublicHandler } from '../pipeline/open.ts';
import type { Parts } from '../pipeline/stage.ts';
import { getAudit, getReceipt, listAudit } from './audit.ts';
import { getEvent } from './event.ts';
import { explainRequest } from './explain.ts';
import { health, type Probe, ready } from './health.ts';
import { getHold, setHold } from './hold.ts';
import { eraseSubject, retireKey } from './personal.ts';
import { ping } from './ping.ts';
import { getCheckpoint, getConsistency, getProof, listLogs } from './proofs.ts';
import { whoami } from './whoami.ts';
import { auditKeys, postCosignature } from './witness.ts';

/** The handlers of the gateway's own operations, by their id in the catalogue. */
export interface Handlers {
  readonly open: { readonly [operation: string]: PublicHandler };
  readonly governed: GovernedHandlers;
}

/** @param description of the gateway's own API, as it is served. */
export function handlers(parts: Parts, probes: readonly Probe[], description: string): Handlers {
  const { auditReader: reader, checkpoints, holds, personal, subjects, policy, gate, owners } = parts;
  const { config, recorder, patience } = parts;
  const pseudonyms = config.AUDIT_PSEUDONYM_KEY;
  return {
    open: {
      'governance.health': health,
      'governance.ready': ready(probes),
      'governance.audit.keys': auditKeys(config),
      'governance.audit.cosign': postCosignature({
        ...{ config, checkpoints, recorder },
        patienceMs: patience.recordMs,
      }),
      'governance.openapi': (c) => c.body(description, 200, { 'content-type': 'application/json' }),
    },
    governed: {
      'governance.audit.list': listAudit({ reader, personal, subjects, pseudonyms }),
      'governance.audit.get': getAudit({ reader, personal }),
      'governance.audit.logs': listLogs({ checkpoints }),
      'governance.audit.checkpoint': getCheckpoint({ checkpoints }),
      'governance.audit.consistency': getConsistency({ checkpoints }),
      'governance.audit.proof': getProof('tenant', { reader, checkpoints }),
      'governance.receipts.proof': getProof('own', { reader, checkpoints }),
      'governance.receipts.get': getReceipt({ reader }),
      'governance.audit.hold.get': getHold(holds),
      'governance.audit.hold.set': setHold(holds),
      'governance.personal.erase': eraseSubject({ personal, subjects, pseudonyms }),
      'governance.personal.retire_key': retireKey({ subjects, pseudonyms }),
      'governance.whoami': whoami(policy, gate.windowMs),
      'governance.explain': explainRequest(policy),
      'platform.ping': ping,
      'platform.events.get': getEvent(owners),
    },
  };
}
