import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchToken } from '../../local/identity.ts';
import { installKeycloak, type Keycloak, startKeycloak } from '../../local/keycloak.ts';
import { startMem0 } from '../../local/mem0.ts';
import { freePort } from '../../local/ports.ts';
import { type Rig, startRig } from '../integration/rig.ts';
import { Admin, type Agent, REALM } from './admin.ts';

const CACHE = fileURLToPath(new URL('../../.cache/keycloak', import.meta.url));

/** What the gateway is configured with; `iam/keycloak` and docs/identity.md say the same. */
export const issuerOf = (keycloakUrl: string, realm = REALM) => {
  const issuer = `${keycloakUrl}/realms/${realm}`;
  return {
    issuer,
    audience: 'mem0-governance',
    jwks_url: `${issuer}/protocol/openid-connect/certs`,
    algorithms: ['RS256'],
    typ: ['at+jwt'],
    tenants: ['acme', 'globex'],
    roles: ['*'],
  };
};

/** Keycloak with the committed realm, Mem0, Postgres, and a gateway that trusts that realm alone. */
export interface World {
  readonly keycloak: Keycloak;
  readonly admin: Admin;
  readonly realmUrl: string;
  readonly rig: Rig;
  /** A token that the agent fetches with its secret. */
  token(agent: Agent, realm?: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const home = await installKeycloak(CACHE, progress);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-keycloak-'));
  const stops: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    progress('Starting Keycloak, Mem0, Postgres and the gateway.');
    const password = randomBytes(24).toString('base64url');
    const keycloak = await startKeycloak({ home, password, port, log: () => {} });
    stops.push(keycloak.stop);
    const admin = new Admin(keycloak);
    await admin.importRealm();
    const mem0 = await startMem0({ dir, log: () => {} });
    stops.push(mem0.stop);
    const rig = await startRig({ mem0, env: { ISSUERS: JSON.stringify([issuerOf(url)]) } });
    stops.push(rig.stop);
    progress('All are up.');
    return {
      ...{ keycloak, admin, rig, stop, realmUrl: `${url}/realms/${REALM}` },
      token: ({ clientId, secret }, realm = REALM) =>
        fetchToken(`${url}/realms/${realm}/protocol/openid-connect/token`, clientId, secret),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
