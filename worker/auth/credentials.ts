export type CredentialFault =
  | 'credential_missing'
  | 'credential_malformed'
  | 'credential_oversized'
  | 'credentials_differ';

export type Credential =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly reason: CredentialFault };

/** Longer than any token that an identity provider issues, and short enough to refuse before it is looked at. */
export const MAX_TOKEN = 8192;

const SCHEME = /^(?:bearer|token) +([^ ]+)$/i;
/** Room for the scheme's word and blanks in front of a token. */
const MAX_SCHEME = 16;
/** A compact JWS (RFC 7515 §7.1); with an empty signature too, so that `alg: none` gets its own reason. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/**
 * The token of a request: `Authorization: Bearer`, `Authorization: Token` (Mem0's SDKs) or `X-API-Key`
 * (self-hosted clients). The same token twice is one; a header that was sent twice arrives joined by a comma,
 * which no token has.
 */
export function readCredential(headers: Headers): Credential {
  const authorization = headers.get('authorization');
  const apiKey = headers.get('x-api-key');
  if (authorization === null && apiKey === null) return no('credential_missing');
  if ((authorization?.length ?? 0) > MAX_TOKEN + MAX_SCHEME || (apiKey?.length ?? 0) > MAX_TOKEN) {
    return no('credential_oversized');
  }
  const token = authorization === null ? apiKey! : SCHEME.exec(authorization)?.[1];
  if (token === undefined) return no('credential_malformed');
  if (token.length > MAX_TOKEN) return no('credential_oversized');
  if (!COMPACT.test(token)) return no('credential_malformed');
  if (apiKey !== null && apiKey !== token) return no('credentials_differ');
  return { ok: true, token };
}

function no(reason: CredentialFault): Credential {
  return { ok: false, reason };
}
