import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Deployment,
  parseDotenv,
  readDeployment,
  readGiven,
  SECRETS,
  settingOf,
} from './environment.ts';

const deployment = {
  env: 'nowhere',
  configFile: 'wrangler.toml',
  config: {},
  secrets: SECRETS,
  vars: { TRANSPORT: 'edge', MEM0_API_KEY: 'from-vars', RATE_LIMIT_REQUESTS: 7 },
} as unknown as Deployment;

let file: string;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'environment-'));
  file = join(dir, 'secrets.env');
  await writeFile(file, `MEM0_API_KEY='from # file'\nTRANSPORT=loopback\n`);
});
afterAll(() => rm(dir, { recursive: true }));

describe('readGiven', () => {
  it('lays the secrets of a file over [vars], and nothing else of it', async () => {
    const given = await readGiven(deployment, file, {
      MEM0_API_KEY: 'from-env',
      MEM0_ORIGIN: 'https://env.example',
    });
    expect(given.values).toEqual({
      TRANSPORT: 'edge',
      RATE_LIMIT_REQUESTS: '7',
      MEM0_API_KEY: 'from # file',
    });
    expect(given.strangers).toEqual(['a name that is none']);
    expect(given.source).toBe(file);
  });

  it('takes environment variables without a file, and of those only secrets', async () => {
    const variables = { MEM0_API_KEY: 'from-env', TRANSPORT: 'loopback', HOME: '/', AUDIT_READER_URL: '' };
    const given = await readGiven(deployment, undefined, variables);
    expect(given.values).toEqual({ TRANSPORT: 'edge', RATE_LIMIT_REQUESTS: '7', MEM0_API_KEY: 'from-env' });
    expect(given.strangers).toEqual([]);
  });

  it('fails for a file that was named and is not there', async () => {
    await expect(readGiven(deployment, join(dir, 'none.env'), {})).rejects.toThrow(
      /cannot be read \(ENOENT\)/,
    );
  });
});

describe('parseDotenv', () => {
  it.each([['A=abc#def'], ['B=1\nexport A=abc # remark']])(
    'refuses a value that would be cut: %j',
    (text) => {
      expect(() => parseDotenv(text)).toThrow(/^Line \d has a # in a value: put the value in quotes\.$/);
    },
  );
  it.each([
    [`A='abc#def'`, 'abc#def'],
    ['# A=1 # remark\nA=x=y', 'x=y'],
    ['A="a b"', 'a b'],
  ])('reads %j', (text, value) => {
    expect(parseDotenv(text).A).toBe(value);
  });
});

describe('settings one by one', () => {
  it('are read as the Worker reads them, or not at all', async () => {
    const given = await readGiven(deployment, undefined, {
      MEM0_ORIGIN: 'https://mem0.example.com/',
      AUDIT_WRITER_URL: 'x',
    });
    expect(settingOf(given, 'MEM0_ORIGIN')).toBe('https://mem0.example.com');
    expect(settingOf(given, 'AUDIT_WRITER_URL')).toBeUndefined();
    expect(settingOf(given, 'AUDIT_SQL_ENDPOINT')).toBeUndefined();
    expect(settingOf(given, 'RATE_LIMIT_WINDOW_SECONDS')).toBe(60);
  });
});

describe('readDeployment', () => {
  it('takes the top level for production, and an environment by its name', () => {
    expect(readDeployment('production', 'wrangler.toml').vars.ENVIRONMENT).toBe('production');
    expect(readDeployment('dev', 'wrangler.toml').vars.ENVIRONMENT).toBe('dev');
    expect(() => readDeployment('staging', 'wrangler.toml')).toThrow(/staging/);
    expect(readDeployment('dev', 'wrangler.toml').tenants).toMatchObject({ environment: 'dev' });
  });
});
