import { challenge } from '../auth/challenge.ts';
import { readCredential } from '../auth/credentials.ts';
import { narrow, type Principal } from '../auth/principal.ts';
import { log } from '../log.ts';
import type { Home } from '../mem0/home.ts';
import { Problem } from '../problem.ts';
import type { AuditVars } from './audit.ts';
import type { OpenVars } from './open.ts';
import type { Parts, Stage } from './stage.ts';
import type { TransportVars } from './transport.ts';

/** Who is known to be calling, as soon as that is known: also of requests that are refused at once. */
export type Identity = Pick<
  Principal,
  'issuer' | 'subject' | 'actorHash' | 'actingParty' | 'tenant' | 'roles'
>;

export interface AuthenticateVars {
  identity?: Identity;
  principal: Principal;
  /** Where the tenant's memories live. */
  home: Home;
}

/** Credential → Principal. What was wrong with a credential is in the record and never in the answer. */
export function authenticate({
  config,
  verifier,
  homes,
}: Parts): Stage<TransportVars & OpenVars & AuditVars, AuthenticateVars> {
  const options = { requireContextHeaders: config.REQUIRE_CONTEXT_HEADERS };
  return async (c, next) => {
    const { insecure } = c.get('transport');
    if (insecure) throw new Problem('insecure_transport', { reason: insecure, decision: 'deny' });
    const stranger = c.get('stranger');
    if (stranger) throw new Problem('not_a_witness', { reason: stranger, decision: 'unauthenticated' });
    const { headers } = c.req.raw;
    const credential = readCredential(headers);
    if (!credential.ok) throw unauthenticated(credential.reason);
    const verified = await verifier.verify(credential.token, Date.now());
    if (!verified.ok && verified.kind === 'keys_unavailable') {
      log('keys_unavailable', { request_id: c.get('transport').requestId, reason: verified.reason });
      throw new Problem('keys_unavailable', { reason: verified.reason, decision: 'unauthenticated' });
    }
    if (!verified.ok) throw unauthenticated(verified.reason);
    const narrowed = narrow(
      verified.token,
      { tenant: headers.get('x-tenant-id'), role: headers.get('x-user-role') },
      options,
    );
    if (narrowed.ok) {
      c.set('identity', narrowed.principal);
      c.set('principal', narrowed.principal);
      c.set('home', homes.of(narrowed.principal.tenant));
      for (const hold of [c.get('hold'), c.get('bodyHold')]) hold.for(narrowed.principal.tenant);
      return next();
    }
    if (narrowed.identity) c.set('identity', narrowed.identity);
    const decision = narrowed.code === 'forbidden' ? 'deny' : 'invalid_request';
    throw new Problem(narrowed.code, { reason: narrowed.reason, decision });
  };
}

function unauthenticated(reason: string): Problem {
  return new Problem('unauthenticated', {
    reason,
    decision: 'unauthenticated',
    headers: { 'www-authenticate': challenge(reason) },
  });
}
