import { compactVerify } from 'jose';
import { isObject } from '../../core/json.ts';
import { parseJson } from '../http/json.ts';
import {
  actingPartyOf,
  type ClaimFault,
  type Claims,
  claimFault,
  grantedRoles,
  grantedTenants,
  sessionOf,
  usedMfa,
  type VerifiedToken,
} from './claims.ts';
import { type Algorithm, type IssuerConfig, mediaType } from './issuers.ts';
import { KeySet } from './jwks.ts';
import { actorHash } from './principal.ts';
import { TokenCache } from './token-cache.ts';

export type TokenFault =
  | ClaimFault
  | 'token_malformed'
  | 'issuer_unknown'
  | 'alg_not_allowed'
  | 'typ_not_allowed'
  | 'header_not_allowed'
  | 'key_unknown'
  | 'signature_wrong';

export type VerifyResult =
  | { readonly ok: true; readonly token: VerifiedToken }
  | { readonly ok: false; readonly kind: 'unauthenticated'; readonly reason: TokenFault }
  | { readonly ok: false; readonly kind: 'keys_unavailable'; readonly reason: 'keys_unavailable' };

export interface Verifier {
  /** @param now milliseconds since the epoch */
  verify(token: string, now: number): Promise<VerifyResult>;
  /** Whether every issuer's keys are held, or can be had. */
  ready(now: number): Promise<boolean>;
}

export interface VerifierDeps {
  readonly fetch: typeof fetch;
  readonly maxStaleMs: number;
}

/** Header members by which a token would bring its own key (RFC 8725 §3.10), or its own rules. */
const FORBIDDEN_HEADERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'enc', 'zip'];

interface Issuer {
  readonly config: IssuerConfig;
  readonly keys: KeySet;
}

/** Verifies tokens of the configured issuers, and of nobody else. */
export function createVerifier(issuers: readonly IssuerConfig[], deps: VerifierDeps): Verifier {
  const byName = new Map<string, Issuer>(
    issuers.map((config) => [config.issuer, { config, keys: new KeySet({ url: config.jwks_url, ...deps }) }]),
  );
  const cache = new TokenCache();

  async function fresh(text: string, now: number): Promise<VerifyResult> {
    const parsed = parse(text);
    if (!parsed) return no('token_malformed');
    const { header, claims } = parsed;
    const issuer = typeof claims.iss === 'string' ? byName.get(claims.iss) : undefined;
    if (!issuer) return no('issuer_unknown');
    const fault = headerFault(header, issuer.config);
    if (fault) return no(fault);
    const found = await issuer.keys.find(header.kid as string, header.alg as Algorithm, now);
    if (!found.ok) {
      return found.reason === 'key_unknown'
        ? no('key_unknown')
        : { ok: false, kind: 'keys_unavailable', reason: found.reason };
    }
    try {
      await compactVerify(text, found.key, { algorithms: [header.alg as Algorithm] });
    } catch {
      // Whatever stops it, a weak key included, the signature was not seen to be right.
      return no('signature_wrong');
    }
    const wrong = claimFault(claims, issuer.config, now / 1000);
    if (wrong) return no(wrong);
    const token = tokenOf(claims, issuer.config);
    cache.set(text, token, issuer.keys, found.generation, now);
    return { ok: true, token };
  }

  return {
    async verify(text, now) {
      const token = cache.get(text, now);
      return token ? { ok: true, token } : fresh(text, now);
    },
    async ready(now) {
      const states = await Promise.all([...byName.values()].map(({ keys }) => keys.ready(now)));
      return states.every(Boolean);
    },
  };
}

/** Header and claims, read strictly: a duplicate name has two meanings and a second spelling is a second token. */
function parse(text: string): { readonly header: Claims; readonly claims: Claims } | undefined {
  const [head = '', body = '', signature = ''] = text.split('.');
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) return undefined;
  const header = readPart(head);
  const claims = readPart(body);
  return header && claims ? { header, claims } : undefined;
}

const TOKEN_JSON = { depth: 16, nodes: 2000 };

function readPart(part: string): Claims | undefined {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) return undefined;
  const parsed = parseJson(bytes, TOKEN_JSON);
  return parsed.ok && isObject(parsed.value) ? (parsed.value as Claims) : undefined;
}

function headerFault(header: Claims, { algorithms, typ }: IssuerConfig): TokenFault | undefined {
  if (!(algorithms as readonly unknown[]).includes(header.alg)) return 'alg_not_allowed';
  if (FORBIDDEN_HEADERS.some((name) => Object.hasOwn(header, name))) return 'header_not_allowed';
  if (!(typ as readonly unknown[]).includes(kindOf(header))) return 'typ_not_allowed';
  return typeof header.kid === 'string' && header.kid !== '' ? undefined : 'key_unknown';
}

/** The `typ` header in one spelling; `null` when there is none, and `undefined` when it is no text. */
function kindOf(header: Claims): string | null | undefined {
  if (!Object.hasOwn(header, 'typ')) return null;
  return typeof header.typ === 'string' ? mediaType(header.typ) : undefined;
}

function tokenOf(claims: Claims, issuer: IssuerConfig): VerifiedToken {
  const subject = claims.sub as string;
  const actingParty = actingPartyOf(claims);
  const session = sessionOf(claims, issuer);
  return {
    issuer: issuer.issuer,
    subject,
    actorHash: actorHash(issuer.issuer, subject),
    tenants: grantedTenants(claims, issuer),
    roles: grantedRoles(claims, issuer),
    mfa: usedMfa(claims, issuer),
    expiresAt: claims.exp as number,
    ...(actingParty === undefined ? {} : { actingParty }),
    ...(session === undefined ? {} : { session }),
  };
}

function no(reason: TokenFault): VerifyResult {
  return { ok: false, kind: 'unauthenticated', reason };
}
