import { v7 as uuidv7 } from 'uuid';
import { addressKey, cutAddress, wholeAddress } from '../http/address.ts';
import { type HeaderContext, readHeaders } from '../http/context.ts';
import { isLoopbackHost, parseTarget, type Target } from '../http/target.ts';
import type { Parts, Stage } from './stage.ts';

/** What arrived, as raw strings; nothing is refused here, because 401 comes before every 400. */
export interface Transport extends HeaderContext {
  readonly requestId: string;
  readonly receivedAt: number;
  readonly target: Target;
  /** Why the connection itself is not acceptable. */
  readonly insecure?: 'plain_http' | 'old_tls' | 'host_not_loopback';
  /** `key` coalesces strangers and never reaches a record; `cut` does. `whole` does as a token; absent on loopback. */
  readonly address: { readonly key: string; readonly cut: string; readonly whole?: string };
  readonly country?: string;
  readonly tls?: string;
}

export interface TransportVars {
  transport: Transport;
}

const HSTS = 'max-age=63072000; includeSubDomains';

/** TRANSPORT rules, the request's own id, and the headers that every answer has. */
export function transport({ config }: Parts): Stage<TransportVars> {
  const edge = config.TRANSPORT === 'edge';
  return async (c, next) => {
    const { url, headers } = c.req.raw;
    const host = headers.get('host');
    const { tls, country, ...connection } = edge ? edgeOf(c.req.raw) : LOOPBACK;
    const insecure = edge ? edgeFault(url, tls) : loopbackFault(host);
    // Ordered by time: what is stored under it lands behind what came before, and not anywhere.
    const requestId = uuidv7();
    c.set('transport', {
      requestId,
      receivedAt: Date.now(),
      target: parseTarget(url, host),
      ...connection,
      ...readHeaders(headers),
      ...(insecure === undefined ? {} : { insecure }),
      ...(country === undefined ? {} : { country }),
      ...(tls === undefined ? {} : { tls }),
    });
    await next();
    const answer = c.res.headers;
    answer.set('cache-control', 'no-store');
    answer.set('x-request-id', requestId);
    answer.set('x-content-type-options', 'nosniff');
    if (edge) answer.set('strict-transport-security', HSTS);
  };
}

type Connection = Pick<Transport, 'address' | 'country' | 'tls'>;

const LOOPBACK: Connection = { address: { key: 'loopback', cut: 'loopback' } };

/** What the platform says of the connection. */
function edgeOf(request: Request): Connection {
  const { cf } = request as { readonly cf?: { readonly tlsVersion?: unknown; readonly country?: unknown } };
  const ip = request.headers.get('cf-connecting-ip') ?? '';
  return {
    address: { key: addressKey(ip), cut: cutAddress(ip), whole: wholeAddress(ip) },
    ...(typeof cf?.country === 'string' ? { country: cf.country } : {}),
    ...(typeof cf?.tlsVersion === 'string' ? { tls: cf.tlsVersion } : {}),
  };
}

function edgeFault(url: string, tls: string | undefined): Transport['insecure'] {
  if (!url.startsWith('https:')) return 'plain_http';
  // The runtime names the version as `TLSv1.2` or `TLSv1.3`; anything else is older or unknown.
  return tls === 'TLSv1.2' || tls === 'TLSv1.3' ? undefined : 'old_tls';
}

function loopbackFault(host: string | null): Transport['insecure'] {
  return isLoopbackHost(host ?? '') ? undefined : 'host_not_loopback';
}
