import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWK } from 'jose';
import Provider, { type AccessToken } from 'oidc-provider';
import { createSigningKey, keptKeys, type SigningAlgorithm } from './identity/keys.ts';

export interface IdentityClient {
  /** Also the subject of its tokens. */
  readonly id: string;
  readonly secret: string;
  /** One is asserted as a text, several as a list. */
  readonly tenants: readonly string[];
  readonly roles: readonly string[];
}

export interface IdentityOptions {
  /** 0 or absent: a free one. */
  readonly port?: number;
  readonly clients: readonly IdentityClient[];
  /** Absent: the address it listens on. */
  readonly issuer?: string;
  readonly audience?: string;
  readonly algorithm?: SigningAlgorithm;
  /** Where the signing keys are kept. Absent, and no `keys` given: keys that end with the process. */
  readonly persistDir?: string;
  /** Private keys to sign with; the first one's `alg` is used. */
  readonly keys?: readonly JWK[];
}

export interface Identity {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly tokenUrl: string;
  /** The private keys, for tests that forge. */
  readonly keys: readonly JWK[];
  /** A token of this client, fetched over HTTP as the client would. @throws Error when it is refused. */
  token(clientId: string): Promise<string>;
  stop(): Promise<void>;
}

export const AUDIENCE = 'mem0-governance';
export const TOKEN_SECONDS = 8 * 3600;

/**
 * Starts an OpenID provider whose clients get access tokens by the client credentials grant: JWTs of the profile
 * of RFC 9068 with `tenant_id` and `realm_access.roles`, as Keycloak writes them. Any number may run at once.
 */
export async function startIdentity(options: IdentityOptions): Promise<Identity> {
  const { port = 0, clients, audience = AUDIENCE, algorithm = 'RS256', persistDir } = options;
  const keys =
    options.keys ??
    (persistDir === undefined ? [await createSigningKey(algorithm)] : await keptKeys(persistDir, algorithm));
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = options.issuer ?? url;
  const provider = new Provider(issuer, configuration(clients, audience, keys));
  server.on('request', provider.callback());

  return {
    issuer,
    audience,
    jwksUrl: `${url}/jwks`,
    tokenUrl: `${url}/token`,
    keys,
    token: async (clientId) => {
      const client = clients.find(({ id }) => id === clientId);
      if (client === undefined) throw new Error(`there is no client ${clientId}`);
      return fetchToken(`${url}/token`, client.id, client.secret);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Fetches an access token by the client credentials grant.
 *
 * @throws Error that names the status, never the secret.
 */
export async function fetchToken(tokenUrl: string, clientId: string, secret: string): Promise<string> {
  const credentials = [clientId, secret].map(encodeURIComponent).join(':');
  const response = await fetch(tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  });
  const answer = (await response.json()) as { access_token?: string };
  if (!response.ok || typeof answer.access_token !== 'string') {
    throw new Error(`the identity provider answered ${response.status}`);
  }
  return answer.access_token;
}

function configuration(clients: readonly IdentityClient[], audience: string, keys: readonly JWK[]): object {
  const byId = new Map(clients.map((client) => [client.id, client]));
  const resource = `urn:${audience}`;
  return {
    adapter: KeepsNothing,
    jwks: { keys },
    clients: clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: keys[0]?.alg,
    })),
    responseTypes: [],
    scopes: [],
    ttl: { ClientCredentials: TOKEN_SECONDS },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: TOKEN_SECONDS,
          jwt: { sign: { alg: keys[0]?.alg } },
        }),
      },
    },
    extraTokenClaims: (_context: unknown, { clientId }: AccessToken) => {
      const { tenants, roles } = byId.get(clientId ?? '') ?? { tenants: [], roles: [] };
      return {
        tenant_id: tenants.length === 1 ? tenants[0] : tenants,
        realm_access: { roles },
      };
    },
  };
}

/** JWT access tokens need no store; whatever else the provider would keep is forgotten. */
class KeepsNothing {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}
