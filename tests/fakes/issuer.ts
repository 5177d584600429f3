import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, base64url as jose } from 'jose';

/** The algorithms that the fake signs with. */
export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

/** What WebCrypto calls them when it signs. */
const SIGNING: { readonly [alg in Algorithm]: Parameters<typeof crypto.subtle.sign>[0] } = {
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
};

export interface Claims {
  readonly [name: string]: unknown;
}

export interface IssuerOptions {
  readonly issuer: string;
  readonly audience?: string;
  readonly alg?: Algorithm;
  readonly kid?: string;
}

/**
 * An identity provider in this process: real keys, real signatures, and every way to get a token wrong.
 * Uses WebCrypto alone, so it is the same in Node and in workerd.
 */
export class FakeIssuer {
  readonly issuer: string;
  readonly audience: string;
  #keys: SigningKey[];

  private constructor(issuer: string, audience: string, key: SigningKey) {
    this.issuer = issuer;
    this.audience = audience;
    this.#keys = [key];
  }

  static async create({ issuer, audience = 'mem0-gateway', alg = 'RS256', kid = 'key-1' }: IssuerOptions) {
    return new FakeIssuer(issuer, audience, await SigningKey.create(alg, kid));
  }

  /** The key that signs now. */
  get key(): SigningKey {
    return this.#keys.at(-1)!;
  }

  /** Publishes one more key and signs with it from now on; with `forget`, the older ones leave the set. */
  async rotate(kid: string, { alg = this.key.alg, forget = false } = {}): Promise<void> {
    const key = await SigningKey.create(alg, kid);
    this.#keys = forget ? [key] : [...this.#keys, key];
  }

  /** The key set as it is published: public keys only. */
  jwks(): { readonly keys: readonly JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) };
  }

  /** The claims of a token that is valid now, for five minutes; a claim given as `undefined` is left out. */
  claims(claims: Claims = {}, now: number = Math.floor(Date.now() / 1000)): Claims {
    return { iss: this.issuer, aud: this.audience, sub: 'user-1', iat: now, exp: now + 300, ...claims };
  }

  /**
   * A token signed with this issuer's key. `header` overrides what the header says, never what is done: a
   * header with `alg: none` still has a real signature under it. A member given as `undefined` is left out.
   */
  sign(claims: Claims = {}, header: Claims = {}): Promise<string> {
    const { alg, kid } = this.key;
    const head = { alg, kid, typ: 'JWT', ...header };
    return this.signText(JSON.stringify(head), JSON.stringify(this.claims(claims)));
  }

  /** The same over any two texts, for headers and payloads that are no JSON or have a name twice. */
  async signText(header: string, payload: string): Promise<string> {
    const input = `${base64url(header)}.${base64url(payload)}`;
    return `${input}.${base64url(await this.key.sign(input))}`;
  }

  /** A token without a signature (RFC 7515 appendix A.5). */
  unsigned(claims: Claims = {}, header: Claims = {}): string {
    const head = JSON.stringify({ alg: 'none', typ: 'JWT', ...header });
    return `${base64url(head)}.${base64url(JSON.stringify(this.claims(claims)))}.`;
  }

  /** Algorithm confusion: HS256 with the PEM text of the public key as the secret (RFC 8725 §2.1). */
  async confused(claims: Claims = {}, header: Claims = {}): Promise<string> {
    const head = JSON.stringify({ alg: 'HS256', kid: this.key.kid, typ: 'JWT', ...header });
    const input = `${base64url(head)}.${base64url(JSON.stringify(this.claims(claims)))}`;
    const secret = new TextEncoder().encode(await exportSPKI(this.key.publicKey));
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', secret, hmac, false, ['sign']);
    const signature = await crypto.subtle.sign(hmac, key, new TextEncoder().encode(input));
    return `${input}.${base64url(new Uint8Array(signature))}`;
  }
}

/** A key pair with its published form. */
export class SigningKey {
  readonly alg: Algorithm;
  readonly kid: string;
  readonly jwk: JWK;
  readonly publicKey: CryptoKey;
  readonly #privateKey: CryptoKey;

  private constructor(alg: Algorithm, jwk: JWK, pair: { publicKey: CryptoKey; privateKey: CryptoKey }) {
    this.alg = alg;
    this.kid = jwk.kid!;
    this.jwk = jwk;
    this.publicKey = pair.publicKey;
    this.#privateKey = pair.privateKey;
  }

  static async create(alg: Algorithm, kid: string): Promise<SigningKey> {
    // Only the public half is ever exported, and a public key always can be.
    const pair = await generateKeyPair(alg);
    return new SigningKey(alg, { ...(await exportJWK(pair.publicKey)), alg, kid, use: 'sig' }, pair);
  }

  async sign(input: string): Promise<Uint8Array> {
    const bytes = new TextEncoder().encode(input);
    return new Uint8Array(await crypto.subtle.sign(SIGNING[this.alg], this.#privateKey, bytes));
  }
}

/** Base64url without padding (RFC 7515 §2) of text as UTF-8, or of bytes. */
export const base64url = (data: string | Uint8Array): string => jose.encode(data);
