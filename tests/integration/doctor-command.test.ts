import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { formatSignerKey, signerKey } from '../../core/note.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import { SECRETS } from '../../scripts/lib/deploy/environment.ts';
import { type Cluster, type Database, startCluster } from '../../sql/harness.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { type FakeMem0, presets, startFakeMem0 } from '../fakes/mem0.ts';
import { runCommand, type Site, type StandIn, standIn, startSite } from './doctor-rig.ts';

const KEY = randomBytes(16).toString('hex');

let cluster: Cluster;
let database: Database;
let neon: Neon;
let mem0: FakeMem0;
let site: Site;
let wrangler: StandIn;
let dir: string;
let values: { [name: string]: string };

beforeAll(async () => {
  [cluster, mem0, site, wrangler] = await Promise.all([
    startCluster(),
    startFakeMem0(),
    startSite(),
    standIn(),
  ]);
  neon = await startNeon({ databasePort: cluster.postgres.port });
  database = await cluster.fresh();
  const issuer = await FakeIssuer.create({ issuer: site.url });
  site.pages = { '/jwks': issuer.jwks() };
  dir = await mkdtemp(join(tmpdir(), 'doctor-'));
  const ISSUERS = [
    {
      issuer: site.url,
      audience: 'mem0-governance',
      jwks_url: `${site.url}/jwks`,
      algorithms: ['RS256'],
      tenants: ['*'],
      roles: ['*'],
    },
  ];
  const toml = `name = "gateway"
    main = "worker.js"
    compatibility_date = "2026-10-01"
    [vars]
    ENVIRONMENT = "production"
    [env.dev.vars]
    ENVIRONMENT = "dev"
    AUDIT_ORIGIN = "audit.example.com"
    TRANSPORT = "loopback"
    AUDIT_SQL_ENDPOINT = "${neon.url}"
    ISSUERS = '${JSON.stringify(ISSUERS)}'`;
  await writeFile(join(dir, 'wrangler.toml'), toml);
  await mkdir(join(dir, 'config'));
  for (const environment of ['dev', 'production']) {
    const document = { environment, tenants: {} };
    await writeFile(join(dir, 'config', `tenants.${environment}.json`), JSON.stringify(document));
  }
  values = {
    MEM0_ORIGIN: mem0.url,
    MEM0_API_KEY: KEY,
    AUDIT_WRITER_URL: database.url('audit_writer'),
    AUDIT_READER_URL: database.url('audit_reader'),
    AUDIT_SIGNING_KEY: formatSignerKey(signerKey('audit.example.com', randomBytes(32))),
    AUDIT_VAULT_KEYS: `v1:${randomBytes(32).toString('base64url')}`,
  };
});
beforeEach(async () => {
  await give(values);
  await wrangler.answer({
    'secret list': { stdout: JSON.stringify(SECRETS.map((name) => ({ name, type: 'secret_text' }))) },
  });
  mem0.respond((request, response) => {
    const known = request.headers.some(
      ([name, value]) => name.toLowerCase() === 'x-api-key' && value === KEY,
    );
    return (known ? presets.json({ results: [] }) : presets.error(401))(request, response);
  });
});
afterAll(async () => {
  await Promise.all([neon.stop(), mem0.stop(), site.stop(), wrangler.remove(), rm(dir, { recursive: true })]);
  await cluster.stop();
});

const give = (secrets: { [name: string]: string }) =>
  writeFile(
    join(dir, 'secrets.env'),
    Object.entries(secrets)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  );

const doctor = async (...more: string[]) => {
  const where = [
    '--env',
    'dev',
    '--config',
    join(dir, 'wrangler.toml'),
    '--secrets',
    join(dir, 'secrets.env'),
  ];
  const ran = await runCommand('doctor', [...where, ...more], { env: wrangler.env });
  const said = ran.stdout + ran.stderr;
  for (const [name, value] of Object.entries(values)) expect(said, name).not.toContain(value);
  for (const role of ['audit_writer', 'audit_reader'])
    expect(said).not.toContain(cluster.postgres.password(role));
  return ran;
};

it('passes what is whole, a line for each check', async () => {
  const { code, stdout, stderr } = await doctor();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.trim().split('\n');
  for (const line of lines)
    expect(line).toMatch(/^ok {6}(settings|cloudflare|transport|policies|identity|database|mem0) /);
  expect(new Set(lines.map((line) => line.split(/\s+/)[1])).size).toBe(7);
});

it('fails with what is broken, and says how to mend it', async () => {
  mem0.respond(presets.json({ results: [] }));
  const { code, stdout } = await doctor();
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /\nFAILED {2}mem0 {7}Mem0 is open to anybody who reaches it: it serves a call without a key\n {19}Let Mem0 refuse/,
  );
});

it('does not know what wrangler does not say, and asks nobody with --offline', async () => {
  await wrangler.answer({ 'secret list': { code: 1, stderr: 'set a CLOUDFLARE_API_TOKEN' } });
  const { code, stdout } = await doctor();
  expect(code).toBe(3);
  expect(stdout).toContain('unknown cloudflare');
  expect((await wrangler.calls()).map(({ args }) => args.at(-1))).toEqual(['--env=dev']);
  const offline = await doctor('--offline');
  expect(offline.code).toBe(0);
  expect(offline.stdout).not.toContain('cloudflare');
  expect(await wrangler.calls()).toHaveLength(1);
});

it('gives JSON', async () => {
  const { stdout } = await doctor('--json');
  const found = JSON.parse(stdout) as { area: string; state: string; what: string }[];
  expect(found.length).toBeGreaterThan(20);
  expect(found.every(({ state }) => state === 'ok')).toBe(true);
});

it('checks what it has when some of the secrets are elsewhere', async () => {
  const { AUDIT_WRITER_URL, AUDIT_SQL_ENDPOINT, ...others } = values;
  await give(others);
  const { code, stdout } = await doctor('--offline');
  expect(code).toBe(3);
  expect(stdout).toContain('not in ');
  expect(stdout).toContain('unknown database   audit_writer not tried');
  expect(stdout).toContain('ok      database   audit_reader connects');
});

it('does not repeat a line of the secrets file that is none', async () => {
  await give({ ...values, 'hunter2/+': 'x', MEM0_KEY: 'x' });
  const { code, stdout } = await doctor('--offline');
  expect(code).toBe(1);
  expect(stdout).toContain('MEM0_KEY in the secrets file is no secret of the gateway');
  expect(stdout).not.toContain('hunter2');
});

it.each([
  [
    'an environment that is not there',
    ['--env', 'nowhere'],
    1,
    /No environment found|has no \[env\.nowhere\]/,
  ],
  ['an environment that is no word', ['--env', '../x'], 2, /--env is a lower-case word/],
  ['a file that is not there', ['--secrets', '/nowhere/secrets.env'], 1, /cannot be read \(ENOENT\)/],
  ['a configuration that is not there', ['--config', '/nowhere/wrangler.toml'], 1, /cannot be read/],
])('refuses %s in a line', async (_what, args, code, line) => {
  const ran = await doctor(...args);
  expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(line) });
  expect(
    ran.stderr
      .trim()
      .split('\n')
      .filter((one) => !one.startsWith('Try ')),
  ).toHaveLength(1);
});
