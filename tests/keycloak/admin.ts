import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Keycloak } from '../../local/keycloak.ts';

export const REALM = 'mem0-governance';
const REALM_FILE = new URL('../../iam/keycloak/realm-mem0-governance.json', import.meta.url);
/** Half of what the `master` realm gives an administrator's token. */
const ADMIN_TOKEN_MS = 30_000;

export interface Agent {
  readonly clientId: string;
  readonly secret: string;
}

/** Representations of Keycloak's own; only what is read here has a name. */
interface Representation {
  readonly [name: string]: unknown;
  readonly id?: string;
}

/** What an administrator of the realm does, over the admin API. */
export class Admin {
  readonly #keycloak: Keycloak;
  #token: { readonly text: string; readonly until: number } | undefined;

  constructor(keycloak: Keycloak) {
    this.#keycloak = keycloak;
  }

  /** Calls the admin API below `/admin/realms`. @throws Error with the status and the answer unless it is 2xx. */
  async call(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await this.attempt(method, path, body);
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
    return response;
  }

  /** The same, whatever the answer is. */
  async attempt(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`${this.#keycloak.url}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${await this.#fresh()}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async get<T>(path: string): Promise<T> {
    return (await (await this.call('GET', path)).json()) as T;
  }

  /** Imports the committed realm, under its own name or another. */
  async importRealm(name = REALM): Promise<void> {
    const file = JSON.parse(await readFile(REALM_FILE, 'utf8')) as object;
    await this.call('POST', '', { ...file, realm: name });
  }

  /** A client for one more agent, made like the realm's `mem0-agent`, as the documentation says. */
  async addAgent(
    clientId: string,
    grant: {
      readonly tenants: readonly string[];
      readonly roles: readonly string[];
      readonly realm?: string;
    },
  ): Promise<Agent> {
    const base = `/${grant.realm ?? REALM}`;
    const model = await this.#client(base, 'mem0-agent');
    const mappers = (model.protocolMappers as Representation[]).map(({ id: _id, ...mapper }) => mapper);
    const { id: _id, secret: _secret, ...rest } = model;
    await this.call('POST', `${base}/clients`, { ...rest, clientId, protocolMappers: mappers });
    const client = await this.#client(base, clientId);
    const at = `${base}/clients/${client.id}`;
    const realmRoles = await this.#roles(base, ['admin', 'agent-writer', 'agent-reader', 'auditor']);
    await this.call('POST', `${at}/scope-mappings/realm`, realmRoles);
    const user = await this.get<Representation>(`${at}/service-account-user`);
    await this.setTenants(user.id!, grant.tenants, grant.realm);
    await this.#grant(base, user.id!, grant.roles);
    return { clientId, secret: client.secret as string };
  }

  /** A person with a password; the second factor is theirs to set up. @returns the user's id, the token's `sub` */
  async addPerson(
    username: string,
    grant: {
      readonly password: string;
      readonly tenants: readonly string[];
      readonly roles: readonly string[];
    },
  ): Promise<string> {
    const base = `/${REALM}`;
    const created = await this.call('POST', `${base}/users`, {
      username,
      enabled: true,
      attributes: { tenant_id: grant.tenants },
      credentials: [{ type: 'password', value: grant.password, temporary: false }],
    });
    const id = created.headers.get('location')!.split('/').at(-1)!;
    await this.#grant(base, id, grant.roles);
    return id;
  }

  async setTenants(userId: string, tenants: readonly string[], realm = REALM): Promise<void> {
    const user = await this.get<Representation>(`/${realm}/users/${userId}`);
    await this.call('PUT', `/${realm}/users/${userId}`, { ...user, attributes: { tenant_id: tenants } });
  }

  async clearRequiredActions(userId: string): Promise<void> {
    const path = `/${REALM}/users/${userId}`;
    await this.call('PUT', path, { ...(await this.get<Representation>(path)), requiredActions: [] });
  }

  async tenantsOf(userId: string): Promise<unknown> {
    const user = await this.get<{ attributes?: { tenant_id?: unknown } }>(`/${REALM}/users/${userId}`);
    return user.attributes?.tenant_id;
  }

  /** Puts an agent into a new group that has the tenants as its attribute. */
  async addToGroup(agent: Agent, { tenants }: { readonly tenants: readonly string[] }): Promise<void> {
    const base = `/${REALM}`;
    const group = { name: `group-of-${agent.clientId}`, attributes: { tenant_id: tenants } };
    const created = await this.call('POST', `${base}/groups`, group);
    const groupId = created.headers.get('location')!.split('/').at(-1);
    const { id } = await this.#client(base, agent.clientId);
    const user = await this.get<Representation>(`${base}/clients/${id}/service-account-user`);
    await this.call('PUT', `${base}/users/${user.id}/groups/${groupId}`);
  }

  /** One more RSA key, of higher priority: the realm signs with it from now on and still publishes the older. */
  async rotateKeys(): Promise<void> {
    const { id } = await this.get<Representation>(`/${REALM}`);
    await this.call('POST', `/${REALM}/components`, {
      name: 'rsa-rotated',
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      parentId: id,
      config: {
        priority: ['200'],
        enabled: ['true'],
        active: ['true'],
        algorithm: ['RS256'],
        keySize: ['2048'],
      },
    });
  }

  async #client(base: string, clientId: string): Promise<Representation> {
    const found = await this.get<Representation[]>(`${base}/clients?clientId=${clientId}`);
    if (found.length !== 1) throw new Error(`there are ${found.length} clients ${clientId}`);
    return found[0]!;
  }

  #roles(base: string, names: readonly string[]): Promise<Representation[]> {
    return Promise.all(names.map((name) => this.get<Representation>(`${base}/roles/${name}`)));
  }

  async #grant(base: string, userId: string, roles: readonly string[]): Promise<void> {
    await this.call('POST', `${base}/users/${userId}/role-mappings/realm`, await this.#roles(base, roles));
  }

  async #fresh(): Promise<string> {
    if (this.#token === undefined || this.#token.until < Date.now()) {
      const { username, password } = this.#keycloak.admin;
      const { access_token: text } = await this.#bootstrapToken({ username, password });
      this.#token = { text, until: Date.now() + ADMIN_TOKEN_MS };
    }
    return this.#token.text;
  }

  /** The bootstrap administrator is made just after the `master` realm begins to answer. */
  async #bootstrapToken(user: { username: string; password: string }): Promise<{ access_token: string }> {
    for (let tries = 0; ; tries++) {
      const response = await fetch(`${this.#keycloak.url}/realms/master/protocol/openid-connect/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...user }),
      });
      if (response.ok) return (await response.json()) as { access_token: string };
      await response.body?.cancel();
      if (tries > 20) throw new Error(`the bootstrap administrator is refused: ${response.status}`);
      await sleep(250);
    }
  }
}
