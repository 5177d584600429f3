const REALM = 'Bearer realm="mem0-governance"';

/**
 * WWW-Authenticate (RFC 6750 §3). A request without a credential is only asked for one; every bad credential
 * gets the same `invalid_token`, so that the answer tells nobody what was wrong with it.
 */
export function challenge(reason: string): string {
  return reason === 'credential_missing' ? REALM : `${REALM}, error="invalid_token"`;
}
