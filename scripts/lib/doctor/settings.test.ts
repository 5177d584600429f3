import { describe, expect, it } from 'vitest';
import { formatSignerKey, signerKey } from '../../../core/note.ts';
import { type Given, SECRETS } from '../deploy/environment.ts';
import { cloudflareChecks } from './cloudflare.ts';
import { exitCodeOf, type Finding, linesOf } from './finding.ts';
import { settingsChecks } from './settings.ts';
import { transportChecks } from './transport.ts';

const ISSUERS = JSON.stringify([
  {
    issuer: 'https://id.example.com',
    audience: 'mem0-governance',
    jwks_url: 'https://id.example.com/jwks',
    algorithms: ['RS256'],
    tenants: ['acme'],
    roles: ['admin'],
  },
]);
const VARS = {
  ENVIRONMENT: 'production',
  TRANSPORT: 'edge',
  ISSUERS,
  AUDIT_ORIGIN: 'audit.example.com',
};
const PASSWORD = 'hunter2';
const SECRET = {
  MEM0_ORIGIN: 'https://mem0.example.com',
  MEM0_API_KEY: 'hunter2',
  AUDIT_WRITER_URL: `postgresql://audit_writer:${PASSWORD}@db.example.com/audit`,
  AUDIT_READER_URL: `postgresql://audit_reader:${PASSWORD}@db.example.com/audit`,
  AUDIT_SIGNING_KEY: formatSignerKey(signerKey('audit.example.com', new Uint8Array(32).fill(7))),
  AUDIT_VAULT_KEYS: `v1:${Buffer.alloc(32, 7).toString('base64url')}`,
};
const SILO = {
  tenants: {
    environment: 'production',
    tenants: { initech: { mem0: { secret: 'MEM0_INITECH', raw: true } } },
  },
  secrets: [...SECRETS, 'MEM0_INITECH'],
};
const CONFIG = {
  workers_dev: false,
  preview_urls: false,
  routes: [{ pattern: 'gateway.example.com', custom_domain: true }],
};

function given(over: Partial<Given> = {}, config: object = CONFIG): Given {
  const vars = over.vars ?? VARS;
  const texts = Object.entries(vars).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    env: 'production',
    configFile: 'wrangler.toml',
    vars,
    source: '.secrets/production.env',
    strangers: [],
    tenantsFile: 'config/tenants.production.json',
    tenants: { environment: 'production', tenants: {} },
    secrets: SECRETS,
    values: { ...Object.fromEntries(texts), ...SECRET },
    ...over,
    config: config as Given['config'],
  };
}

const bad = (found: readonly Finding[]) =>
  found.filter(({ state }) => state !== 'ok').map(({ state, what }) => `${state}: ${what}`);

describe('settings', () => {
  it('pass when the Worker would start with them', () => {
    expect(bad(settingsChecks(given()))).toEqual([]);
  });

  it('fail one by one, without their values', () => {
    const tenants = { environment: 'staging', tenants: {} };
    const vars = { ...VARS, ENVIRONMENT: 'staging', RATE_LIMIT_REQUESTS: '0', MAX_BODY_SIZE_BYTES: 'many' };
    const found = settingsChecks(
      given({ vars, tenants, values: { ...vars, ...SECRET, MEM0_API_KEY: 'hunter2 ' } }),
    );
    expect(bad(found)).toEqual([
      'failed: MEM0_API_KEY has characters that no header can carry',
      'failed: MAX_BODY_SIZE_BYTES is not a whole number',
      'failed: RATE_LIMIT_REQUESTS is below 1',
      'failed: ENVIRONMENT is not production, which --env names',
    ]);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });

  it('are unknown where only Cloudflare has the value', () => {
    const { MEM0_API_KEY, ...others } = SECRET;
    expect(bad(settingsChecks(given({ values: { ...VARS, ...others } })))).toEqual([
      'unknown: not in .secrets/production.env: MEM0_API_KEY',
    ]);
  });

  it.each<[string, Partial<Given>, string]>([
    [
      'a secret in [vars]',
      { vars: { ...VARS, MEM0_API_KEY: 'hunter2' } },
      'failed: MEM0_API_KEY is a secret and stands in [vars]',
    ],
    [
      'a name that nothing reads',
      { vars: { ...VARS, RATE_LIMIT: '10' } },
      'failed: RATE_LIMIT in [vars] is no setting',
    ],
    [
      'a stranger in the secrets file',
      { strangers: ['MEM0_KEY'] },
      'failed: MEM0_KEY in the secrets file is no secret of the gateway',
    ],
    [
      'a value that Cloudflare refuses',
      { values: { ...VARS, ...SECRET, MEM0_API_KEY: 'x'.repeat(5121) } },
      'failed: MEM0_API_KEY has more than 5120 bytes, which Cloudflare refuses',
    ],
    [
      'a tenants’ document of another environment',
      { tenants: { environment: 'dev', tenants: {} } },
      'failed: tenants.environment is not ENVIRONMENT',
    ],
    [
      'a silo’s secret that is not known here',
      { ...SILO, values: { ...VARS, ...SECRET } },
      'unknown: not in .secrets/production.env: MEM0_INITECH',
    ],
    [
      'a raw tenant in the pool',
      {
        ...SILO,
        values: { ...VARS, ...SECRET, MEM0_INITECH: `{"origin":"${SECRET.MEM0_ORIGIN}","key":"hunter2"}` },
      },
      'failed: tenants.initech is raw, and its Mem0 is not its own alone',
    ],
  ])('fail with %s', (_what, over, failure) => {
    const found = settingsChecks(given(over));
    expect(bad(found)).toEqual([failure]);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });
});

describe('transport', () => {
  it('passes on the edge with an address of its own', () => {
    expect(bad(transportChecks(given()))).toEqual([]);
  });

  it.each<[string, Partial<Given>, object, string]>([
    ['loopback in production', { vars: { ...VARS, TRANSPORT: 'loopback' } }, CONFIG, 'TRANSPORT is not edge'],
    [
      'workers.dev',
      {},
      { ...CONFIG, workers_dev: undefined },
      'workers_dev is not off: the gateway has a second address',
    ],
    [
      'previews',
      {},
      { ...CONFIG, preview_urls: true },
      'preview_urls is not off: older versions stay reachable',
    ],
    [
      'no address',
      {},
      { ...CONFIG, routes: [] },
      'no route and no custom domain: nobody reaches the gateway',
    ],
    [
      'an issuer by plain http',
      {
        values: { ...VARS, ISSUERS: ISSUERS.replace('"https://id.example.com"', '"http://id.example.com"') },
      },
      CONFIG,
      'issuer 1 of ISSUERS has a name that is not https',
    ],
  ])('fails with %s', (_what, over, config, failure) => {
    expect(bad(transportChecks(given(over, config)))).toEqual([`failed: ${failure}`]);
  });
});

describe('secrets at Cloudflare', () => {
  const names = Object.keys(SECRET);
  const asked = (names: readonly string[]) => async () => ({
    code: 0,
    stdout: `A remark\n${JSON.stringify(names.map((name) => ({ name, type: 'secret_text' })))}\n`,
    stderr: '',
  });
  const failing = (stderr: string) => async () => ({ code: 1, stdout: '', stderr });

  it('pass when all are there', async () => {
    expect(bad(await cloudflareChecks(given(), asked(names)))).toEqual([]);
  });

  it('fail when one is missing, or one too many', async () => {
    expect(bad(await cloudflareChecks(given(), asked([...names.slice(1), 'OLD_KEY'])))).toEqual([
      `failed: ${names[0]} is not set`,
      'failed: OLD_KEY is set and is no secret of the gateway',
    ]);
  });

  it.each([
    ["it's necessary to set a CLOUDFLARE_API_TOKEN environment variable", 'unknown', /wrangler login/],
    ['This Worker does not exist on your account. [code: 10007]', 'failed', /npm run secrets/],
    ['fetch failed', 'unknown', /wrangler secret list/],
  ])('are unknown or failed when wrangler says %j', async (stderr, state, remedy) => {
    const [found] = await cloudflareChecks(given(), failing(stderr));
    expect(found).toMatchObject({ state, remedy: expect.stringMatching(remedy) });
  });
});

describe('findings', () => {
  const one = (state: Finding['state']): Finding => ({ area: 'mem0', state, what: 'what' });
  it('give an exit code', () => {
    expect(exitCodeOf([one('ok')])).toBe(0);
    expect(exitCodeOf([one('ok'), one('unknown')])).toBe(3);
    expect(exitCodeOf([one('unknown'), one('failed'), one('ok')])).toBe(1);
  });
  it('are a line each, the remedy below', () => {
    expect(linesOf({ ...one('failed'), remedy: 'mend it' })).toEqual([
      'FAILED  mem0       what',
      '                   mend it',
    ]);
  });
});
