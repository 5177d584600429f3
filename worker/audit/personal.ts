import { createHmac } from 'node:crypto';

/** What is personal in a request: an id of a user, agent, run or app, by its kind. */
export interface PersonalValue {
  readonly kind: string;
  readonly value: string;
}

/** Replaces personal values by tokens before they reach a record or a digest. */
export interface Personal {
  /** The tokens of the values, in order. The same value of a tenant has the same token. */
  tokens(tenant: string, values: readonly PersonalValue[]): Promise<readonly string[]>;
}

/**
 * Keyed pseudonyms: `<key id>.<base64url of the first 16 bytes of HMAC-SHA-256>` over tenant, kind and
 * value, separated by NUL, which none of them can hold. Whoever has the key can confirm a guessed value.
 */
export function keyedPseudonyms(keyId: string, key: Uint8Array): Personal {
  return {
    tokens: async (tenant, values) =>
      values.map(({ kind, value }) => {
        const mac = createHmac('sha256', key).update(`${tenant}\0${kind}\0${value}`).digest();
        return `${keyId}.${mac.subarray(0, 16).toString('base64url')}`;
      }),
  };
}
