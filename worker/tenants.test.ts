import { describe, expect, it } from 'vitest';
import { ConfigError } from './config.ts';
import { readDeployed, readTenants, siloSecrets } from './tenants.ts';

const ENV = {
  ENVIRONMENT: 'dev',
  TRANSPORT: 'edge',
  MEM0_ORIGIN: 'https://mem0.example',
  MEM0_INITECH: JSON.stringify({ origin: 'https://initech.example', key: 'k1' }),
  MEM0_HOOLI: JSON.stringify({ origin: 'https://hooli.example:8443/', key: 'k2' }),
};
const document = (tenants: object, environment = 'dev') => ({ environment, tenants });
const silo = (secret: string, more: object = {}) => ({ mem0: { secret, ...more } });

function problems(tenants: object, env: object = {}, environment?: string): readonly string[] {
  try {
    readTenants(document(tenants, environment), { ...ENV, ...env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

it('a silo has its origin and key from one secret', () => {
  const read = readTenants(
    document({ initech: silo('MEM0_INITECH'), hooli: silo('MEM0_HOOLI', { kind: 'platform', raw: true }) }),
    ENV,
  );
  expect([...read]).toEqual([
    ['initech', { kind: 'oss', raw: false, origin: 'https://initech.example', apiKey: 'k1' }],
    ['hooli', { kind: 'platform', raw: true, origin: 'https://hooli.example:8443', apiKey: 'k2' }],
  ]);
});

describe('what is refused', () => {
  const RAW = { initech: silo('MEM0_INITECH', { raw: true }) };
  const secret = (origin: string, key = 'k1') => ({ MEM0_INITECH: JSON.stringify({ origin, key }) });

  it.each<[string, object, object, RegExp]>([
    ['a missing secret', { initech: silo('MEM0_GONE') }, {}, /^MEM0_GONE is missing$/],
    ['a secret that is no JSON', RAW, { MEM0_INITECH: 'hunter2' }, /^MEM0_INITECH is not JSON$/],
    [
      'a secret without a key',
      RAW,
      { MEM0_INITECH: '{"origin":"https://a.example"}' },
      /^MEM0_INITECH\.key /,
    ],
    [
      'a secret with more',
      RAW,
      { MEM0_INITECH: '{"origin":"https://a.example","key":"k","x":1}' },
      /INITECH/,
    ],
    ['a path in the origin', RAW, secret('https://a.example/v1'), /^MEM0_INITECH\.origin /],
    ['plain http on the edge', RAW, secret('http://a.example'), /not https/],
    ['one secret of two', { a: silo('MEM0_INITECH'), b: silo('MEM0_INITECH') }, {}, /of several tenants/],
    ['a setting as the secret', { a: silo('MEM0_API_KEY') }, {}, /is a setting of the gateway/],
    ['a raw tenant in the pool', RAW, secret('https://mem0.example'), /raw, and its Mem0 is not its own/],
    ['the pool by another spelling', RAW, secret('https://MEM0.example.:443'), /not its own alone/],
    [
      'a raw tenant beside a silo',
      { ...RAW, hooli: silo('MEM0_HOOLI') },
      secret('https://hooli.example:8443'),
      /^tenants\.initech is raw/,
    ],
    ['a tenant id that is none', { 'a:b': silo('MEM0_INITECH') }, {}, /tenants/],
    [
      'an unknown key',
      { a: { mem0: { secret: 'MEM0_INITECH', url: 'x' } } },
      {},
      /tenants\.tenants\.a\.mem0/,
    ],
    ['an unknown kind', { a: silo('MEM0_INITECH', { kind: 'cloud' }) }, {}, /neither oss nor platform/],
  ])('%s', (_name, tenants, env, expected) => {
    const found = problems(tenants, env);
    expect(found).toEqual([expect.stringMatching(expected)]);
    expect(found.join()).not.toMatch(/hunter2|k1|k2/);
  });

  it('two names of this machine for one Mem0', () => {
    const env = {
      TRANSPORT: 'loopback',
      MEM0_ORIGIN: 'http://localhost:9006',
      ...secret('http://127.0.0.1:9006'),
    };
    expect(problems(RAW, env)).toEqual([expect.stringMatching(/not its own alone/)]);
  });

  it('the document of another environment', () => {
    expect(problems({}, {}, 'production')).toEqual(['tenants.environment is not ENVIRONMENT']);
  });

  it('everything at once, with the settings', () => {
    expect(() => readDeployed(document({ a: silo('MEM0_GONE') }), { ...ENV, ISSUERS: undefined })).toThrow(
      /ISSUERS is missing.*MEM0_GONE is missing/,
    );
  });
});

it('two silos that are not raw may share a Mem0: their ids are namespaced', () => {
  const shared = { MEM0_HOOLI: JSON.stringify({ origin: 'https://initech.example', key: 'k1' }) };
  expect(problems({ a: silo('MEM0_INITECH'), b: silo('MEM0_HOOLI') }, shared)).toEqual([]);
});

it('names the secrets that it asks for', () => {
  expect(siloSecrets(document({ a: silo('MEM0_INITECH'), b: silo('MEM0_HOOLI') }))).toEqual([
    'MEM0_INITECH',
    'MEM0_HOOLI',
  ]);
  expect(siloSecrets({ tenants: 1 })).toEqual([]);
});
