import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TENANT_ID } from '../../core/names.ts';
import { ROLES } from '../../core/record.ts';

// The realm's settings that the gateway, or the safety of its tenants, depends on. tests/keycloak tries them.

interface Mapper {
  readonly name: string;
  readonly protocolMapper: string;
  readonly config: { readonly [name: string]: string };
}

interface Client {
  readonly clientId: string;
  readonly [name: string]: unknown;
  readonly attributes: { readonly [name: string]: string };
  readonly protocolMappers: readonly Mapper[];
}

interface Execution {
  readonly authenticator?: string;
  readonly flowAlias?: string;
  readonly authenticatorConfig?: string;
  readonly requirement: string;
}

interface Attribute {
  readonly name: string;
  readonly multivalued?: boolean;
  readonly permissions: { readonly view: readonly string[]; readonly edit: readonly string[] };
  readonly validations: { readonly pattern?: { readonly pattern: string } };
}

interface Realm {
  readonly [name: string]: unknown;
  readonly clients: readonly Client[];
  readonly roles: { readonly realm: readonly { readonly name: string }[] };
  readonly scopeMappings: readonly { readonly client: string; readonly roles: readonly string[] }[];
  readonly authenticationFlows: readonly {
    readonly alias: string;
    readonly authenticationExecutions: readonly Execution[];
  }[];
  readonly authenticatorConfig: readonly { readonly alias: string; readonly config: object }[];
  readonly requiredActions: readonly { readonly alias: string }[];
  readonly components: {
    readonly [type: string]: readonly { readonly config: { readonly [name: string]: readonly string[] } }[];
  };
}

const TEXT = readFileSync(new URL('./realm-mem0-governance.json', import.meta.url), 'utf8');
const REALM = JSON.parse(TEXT) as Realm;
const client = (id: string) => REALM.clients.find(({ clientId }) => clientId === id)!;
const mapper = (id: string, name: string) =>
  client(id).protocolMappers.find(({ protocolMapper }) => protocolMapper === name)?.config;
const executions = (alias: string) =>
  REALM.authenticationFlows.find((flow) => flow.alias === alias)!.authenticationExecutions;

describe('the realm', () => {
  it('has the four roles and two clients, which may assert these roles alone', () => {
    expect(REALM.realm).toBe('mem0-governance');
    expect(REALM.roles.realm.map(({ name }) => name)).toEqual(ROLES);
    expect(REALM.clients.map(({ clientId }) => clientId)).toEqual(['mem0-agent', 'mem0-console']);
    expect(REALM.scopeMappings).toEqual(
      ['mem0-agent', 'mem0-console'].map((id) => ({ client: id, roles: ROLES })),
    );
  });

  it('gives tokens five minutes and sessions fifteen idle, eight hours at most', () => {
    expect(REALM).toMatchObject({
      accessTokenLifespan: 300,
      ssoSessionIdleTimeout: 900,
      ssoSessionMaxLifespan: 28_800,
      revokeRefreshToken: true,
      refreshTokenMaxReuse: 0,
    });
  });

  it('slows guessing down, wants TLS, and lets nobody in by themselves', () => {
    expect(REALM).toMatchObject({
      enabled: true,
      sslRequired: 'external',
      bruteForceProtected: true,
      failureFactor: 5,
      registrationAllowed: false,
      resetPasswordAllowed: false,
      rememberMe: false,
    });
  });

  it('keeps its built-in client scopes: a file with scopes of its own gets none of them', () => {
    for (const name of ['clientScopes', 'defaultDefaultClientScopes', 'defaultOptionalClientScopes']) {
      expect(REALM).not.toHaveProperty(name);
    }
  });

  it('holds no secret, user, key or identity provider', () => {
    for (const name of ['users', 'federatedUsers', 'identityProviders', 'smtpServer']) {
      expect(REALM).not.toHaveProperty(name);
    }
    expect(Object.keys(REALM.components)).toEqual(['org.keycloak.userprofile.UserProfileProvider']);
    const names: string[] = [];
    const values: string[] = [];
    JSON.parse(TEXT, (name, value: unknown) => {
      names.push(name);
      if (typeof value === 'string') values.push(value);
      return value;
    });
    // That one switches refresh tokens of the grant off.
    expect(names.filter((name) => /secret|^password$|credential|privateKey|certificate/i.test(name))).toEqual(
      ['client_credentials.use_refresh_token'],
    );
    // Nothing as long and as mixed as a generated secret, and no PEM.
    expect(values.filter((value) => /-----BEGIN|^(?=.*\d)[A-Za-z0-9+/_-]{32,}={0,2}$/.test(value))).toEqual(
      [],
    );
  });
});

describe('its clients', () => {
  it.each(['mem0-agent', 'mem0-console'])('%s: tokens for the gateway, by no way but its own', (id) => {
    expect(client(id)).toMatchObject({
      enabled: true,
      fullScopeAllowed: false,
      implicitFlowEnabled: false,
      directAccessGrantsEnabled: false,
      defaultClientScopes: ['basic', 'roles', 'acr'],
      optionalClientScopes: [],
      attributes: {
        'access.token.header.type.rfc9068': 'true',
        'oauth2.device.authorization.grant.enabled': 'false',
        'oidc.ciba.grant.enabled': 'false',
        'standard.token.exchange.enabled': 'false',
      },
    });
    expect(mapper(id, 'oidc-audience-mapper')).toMatchObject({
      'included.custom.audience': 'mem0-governance',
      'access.token.claim': 'true',
      'id.token.claim': 'false',
    });
    expect(mapper(id, 'oidc-usermodel-attribute-mapper')).toMatchObject({
      'user.attribute': 'tenant_id',
      'claim.name': 'tenant_id',
      multivalued: 'true',
      'access.token.claim': 'true',
      'id.token.claim': 'false',
    });
  });

  it('mem0-agent has the client credentials grant and no other', () => {
    expect(client('mem0-agent')).toMatchObject({
      publicClient: false,
      clientAuthenticatorType: 'client-secret',
      serviceAccountsEnabled: true,
      standardFlowEnabled: false,
      redirectUris: [],
    });
  });

  it('mem0-console has the authorization code with PKCE and no other, and exact redirects', () => {
    const people = client('mem0-console');
    expect(people).toMatchObject({
      publicClient: true,
      serviceAccountsEnabled: false,
      standardFlowEnabled: true,
      webOrigins: [],
      attributes: { 'pkce.code.challenge.method': 'S256' },
    });
    expect(people.redirectUris).toEqual(['http://127.0.0.1:8788/callback']);
    expect(JSON.stringify([people.redirectUris, people.attributes])).not.toMatch(/[*]/);
    expect(mapper('mem0-console', 'oidc-amr-mapper')).toMatchObject({ 'access.token.claim': 'true' });
  });
});

describe('logging in', () => {
  it('takes a session, or password and code: both are required of everybody', () => {
    expect(REALM.browserFlow).toBe('people');
    expect(executions('people')).toMatchObject([
      { authenticator: 'auth-cookie', requirement: 'ALTERNATIVE' },
      { flowAlias: 'people password and code', requirement: 'ALTERNATIVE' },
    ]);
    expect(executions('people password and code')).toMatchObject([
      {
        authenticator: 'auth-username-password-form',
        requirement: 'REQUIRED',
        authenticatorConfig: 'amr pwd',
      },
      { authenticator: 'auth-otp-form', requirement: 'REQUIRED', authenticatorConfig: 'amr otp' },
    ]);
    expect(REALM.requiredActions.find(({ alias }) => alias === 'CONFIGURE_TOTP')).toMatchObject({
      enabled: true,
      defaultAction: true,
    });
    expect(REALM.otpPolicyCodeReusable).toBe(false);
  });

  it('writes the factors into `amr` for as long as a session lasts', () => {
    const amr = (value: string) => ({
      'default.reference.value': value,
      'default.reference.maxAge': String(REALM.ssoSessionMaxLifespan),
    });
    expect(REALM.authenticatorConfig).toEqual([
      { alias: 'amr pwd', config: amr('pwd') },
      { alias: 'amr otp', config: amr('otp') },
    ]);
  });

  it('never works by sending a password to the token endpoint', () => {
    expect(REALM.directGrantFlow).toBe('no direct grants');
    expect(executions('no direct grants')).toMatchObject([
      { authenticator: 'deny-access-authenticator', requirement: 'REQUIRED' },
    ]);
  });
});

describe('the user profile', () => {
  const [provider] = REALM.components['org.keycloak.userprofile.UserProfileProvider']!;
  const profile = JSON.parse(provider!.config['kc.user.profile.config']![0]!) as {
    readonly attributes: readonly Attribute[];
    readonly unmanagedAttributePolicy?: string;
  };

  it('has tenant_id, which administrators alone write, in the shape of a tenant id', () => {
    const attribute = profile.attributes.find(({ name }) => name === 'tenant_id')!;
    expect(attribute).toMatchObject({
      multivalued: true,
      permissions: { view: ['admin', 'user'], edit: ['admin'] },
    });
    expect(attribute.validations.pattern!.pattern).toBe(TENANT_ID.source);
  });

  it('lets nobody add an attribute that is not declared', () => {
    expect(profile.unmanagedAttributePolicy).toBeUndefined();
  });
});
