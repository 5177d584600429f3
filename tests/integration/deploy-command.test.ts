import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DeployParts, deploy } from '../../scripts/lib/deploy/deploy.ts';
import { readDeployment } from '../../scripts/lib/deploy/environment.ts';
import type { Smoke } from '../../scripts/lib/deploy/smoke.ts';
import { wranglerFor } from '../../scripts/lib/deploy/wrangler.ts';
import type { Finding } from '../../scripts/lib/doctor/finding.ts';
import { migrate, migrationNames } from '../../scripts/lib/migrate.ts';
import { type Cluster, startCluster } from '../../sql/harness.ts';
import { runCommand, type StandIn, standIn } from './doctor-rig.ts';

const OWNER_PASSWORD_PARTS = /:[^:@/]+@/;
const DEPLOYMENTS = JSON.stringify([
  { created_on: '2026-11-20T10:00:00Z', versions: [{ version_id: 'old', percentage: 100 }] },
  {
    created_on: '2026-11-22T10:00:00Z',
    versions: [
      { version_id: 'canary', percentage: 10 },
      { version_id: 'current', percentage: 90 },
    ],
  },
]);
const one = (area: string, state: Finding['state']): Finding => ({
  area,
  state,
  what: `${area} is ${state}`,
});

let wrangler: StandIn;
let cluster: Cluster;
let owner: string;
let databases = 0;
let lines: string[];
let stopped: AbortController;

beforeAll(async () => {
  cluster = await startCluster();
  wrangler = await standIn();
  for (const [name, value] of Object.entries(wrangler.env)) vi.stubEnv(name, value);
});
beforeEach(async () => {
  const name = `deploy_${++databases}`;
  await cluster.postgres.createDatabase(name);
  owner = cluster.postgres.url('audit_owner', name);
  vi.stubEnv('AUDIT_OWNER_URL', owner);
  await wrangler.answer({ 'deployments list': { stdout: DEPLOYMENTS } });
  lines = [];
  stopped = new AbortController();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await wrangler.remove();
  await cluster.stop();
});

const run = (over: Partial<DeployParts> = {}) =>
  deploy({
    env: 'production',
    wrangler: wranglerFor(readDeployment('production', 'wrangler.toml')),
    examine: async function* () {
      yield one('settings', 'ok');
    },
    examineDatabase: async () => [one('database', 'ok')],
    pending: () => migrate(owner, { dryRun: true }),
    migrate: () => migrate(owner),
    smoke: async function* (): AsyncGenerator<Smoke> {
      yield { what: 'it is alive' };
    },
    confirm: async () => false,
    yes: true,
    acceptUnknown: false,
    dryRun: false,
    note: (line) => lines.push(line),
    signal: stopped.signal,
    ...over,
  });

/** What a deploy failed with. */
const failure = async (over: Partial<DeployParts>) => {
  const error = await run(over).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  return error?.message;
};
const calls = async () => (await wrangler.calls()).map(({ args }) => wordsOf(args).join(' '));
const applied = async () => migrationNames().length - (await migrate(owner, { dryRun: true })).length;

const TENANTS = ['--alias', '#tenants:./config/tenants.production.json'];
const wordsOf = (args: readonly string[]) =>
  args.slice(0, args.indexOf('--config')).filter((word) => !TENANTS.includes(word));
const LOOKED = ['deploy --dry-run', 'deployments list --json'];

describe('a deploy', () => {
  it('goes step by step, and names the version to go back to', async () => {
    expect(await run()).toEqual({ deployed: true, previous: 'current', migrations: migrationNames() });
    expect(await calls()).toEqual([...LOOKED, 'deploy']);
    const steps = lines.filter((line) => line.startsWith('\n['));
    expect(steps.map((line) => line.slice(1, 6))).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `[${n}/8]`));
    // A second one finds the schema as it is.
    expect(await run()).toEqual({ deployed: true, previous: 'current', migrations: [] });
  });

  it('tried dry looks at everything, builds, says what it would apply, and changes nothing', async () => {
    const confirm = async () => expect.unreachable();
    expect(await run({ dryRun: true, yes: false, confirm })).toEqual({
      ...{ deployed: false, previous: 'current', migrations: migrationNames() },
    });
    expect(await calls()).toEqual(LOOKED);
    expect(lines.at(-1)).toContain(`migrations to apply: ${migrationNames().join(', ')}`);
    expect(await applied()).toBe(0);
  });

  it("gives wrangler neither the owner's connection string nor a file of secrets", async () => {
    await run();
    const password = OWNER_PASSWORD_PARTS.exec(owner)![0].slice(1, -1);
    for (const { args, stdin, env } of await wrangler.calls()) {
      expect([...args, stdin, ...env].join()).not.toContain(password);
      expect(args.slice(-3)).toEqual(['--config', 'wrangler.toml', '--env=']);
      expect(args.includes(TENANTS[1]!)).toBe(args[0] === 'deploy');
    }
    expect(lines.join()).not.toContain(password);
  });

  it('knows that a first one has nothing to go back to', async () => {
    await wrangler.answer({ 'deployments list': { code: 1, stderr: 'does not exist [code: 10007]' } });
    expect(await run()).toEqual({ deployed: true, migrations: migrationNames() });
  });

  it('stops at a failed check, before anything is changed', async () => {
    const examine = async function* () {
      yield one('mem0', 'failed');
    };
    expect(await failure({ examine })).toBe('Something failed: mend it first. Nothing was changed.');
    expect(await calls()).toEqual([]);
    expect(await applied()).toBe(0);
  });

  it('asks about what is not known, also with --yes, unless told to accept it', async () => {
    const examine = async function* () {
      yield one('cloudflare', 'unknown');
    };
    expect(await failure({ examine })).toBe('Some checks could not be made. Nothing was changed.');
    expect(await failure({ examine, confirm: async () => true })).toBeUndefined();
    expect(await failure({ examine, acceptUnknown: true })).toBeUndefined();
  });

  it('looks at the database once it is migrated, and not at what it was before', async () => {
    const examine = async function* () {
      yield one('database', 'failed');
    };
    expect(await failure({ examine })).toBeUndefined();
    expect(await failure({ examine })).toContain('Something failed');
    const examineDatabase = async () => [one('database', 'failed')];
    await wrangler.answer({ 'deployments list': { stdout: DEPLOYMENTS } });
    expect(await failure({ examineDatabase })).toBe(
      'Something failed: mend it first. The schema was up to date, and the Worker is as it was.',
    );
    expect(await calls()).toEqual(LOOKED);
  });

  it('changes nothing when nobody says yes', async () => {
    expect(await failure({ yes: false })).toBe('Not confirmed. Nothing was changed.');
    expect(await applied()).toBe(0);
    expect(await calls()).toEqual(LOOKED);
  });

  it('stops when the Worker does not build', async () => {
    await wrangler.answer({ 'deploy --dry-run': { code: 1, stderr: 'Build failed with 1 error' } });
    expect(await failure({})).toBe('The build failed (exit code 1). Nothing was changed.');
    expect(lines.join()).toContain('Build failed with 1 error');
    expect(await applied()).toBe(0);
  });

  it('stops when Cloudflare cannot be asked what serves', async () => {
    await wrangler.answer({ 'deployments list': { code: 1, stderr: 'set a CLOUDFLARE_API_TOKEN' } });
    expect(await failure({})).toMatch(/^wrangler could not list the deployments.*Nothing was changed\.$/);
  });

  it('says what state things are in when the upload fails', async () => {
    await wrangler.answer({
      'deployments list': { stdout: DEPLOYMENTS },
      'deploy --dry-run': {},
      'deploy --alias': { code: 1, stderr: 'upload failed' },
    });
    expect(await failure({})).toBe(
      'The deploy failed (exit code 1). Whether the new version serves is not certain: see `npx wrangler deployments list --env=`.',
    );
    expect(await applied()).toBe(migrationNames().length);
  });

  it('says how to go back when the deployed gateway is not as it should be', async () => {
    const smoke = async function* (): AsyncGenerator<Smoke> {
      yield { what: 'it is alive', wrong: '/health answers 503' };
    };
    const message = await failure({ smoke });
    expect(message).toContain('/health answers 503. The new version serves.');
    expect(message).toContain('To go back: npx wrangler rollback current --env=');
  });

  it('stops between two steps, with a line that says so', async () => {
    const stopping = async () => {
      stopped.abort();
      return migrate(owner);
    };
    expect(await failure({ migrate: stopping })).toBe(
      'Stopped before step 6, look at the database again. The schema is migrated, and the Worker is as it was: it runs on the new schema.',
    );
    expect(await calls()).toEqual(LOOKED);
  });
});

it('a deploy that is stopped while it looks asks nobody', async () => {
  const examine = async function* () {
    stopped.abort();
    yield one('cloudflare', 'unknown');
  };
  const confirm = vi.fn(async () => true);
  expect(await failure({ examine, confirm })).toBe('Stopped. Nothing was changed.');
  expect(confirm).not.toHaveBeenCalled();
});

describe('npm run deploy', () => {
  it('runs the doctor first, and changes nothing when it fails', async () => {
    const ran = await runCommand('deploy', ['--url', 'https://gateway.example', '--yes'], {
      env: { AUDIT_OWNER_URL: owner },
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('FAILED  settings   ISSUERS is missing');
    expect(ran.stderr).toMatch(/Something failed: mend it first\. Nothing was changed\.\n$/);
    expect(ran.stderr).not.toContain(owner);
    expect(await calls()).toEqual(['secret list --format json']);
    expect(await applied()).toBe(0);
  });

  it('takes Ctrl-C for a stop, and says that nothing was changed', async () => {
    await wrangler.answer({ 'secret list': { stdout: '[]', delayMs: 1500 } });
    const file = fileURLToPath(new URL('../../scripts/run.cjs', import.meta.url));
    const child = spawn(process.execPath, [file, 'deploy', '--url', 'https://gateway.example', '--yes'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: process.env,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = once(child, 'exit');
    await vi.waitFor(async () => expect(await calls()).toHaveLength(1), { timeout: 20_000 });
    child.kill('SIGINT');
    expect(await ended).toEqual([1, null]);
    expect(said).toMatch(/\nStopped\. Nothing was changed\.\n$/);
    expect(await applied()).toBe(0);
  });

  it('wants an https address to try, and the connection string of the owner', async () => {
    expect((await runCommand('deploy', ['--url', 'http://gateway.example'])).code).toBe(2);
    const ran = await runCommand('deploy', ['--url', 'https://gateway.example'], {
      env: { AUDIT_OWNER_URL: '' },
    });
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Set AUDIT_OWNER_URL/) });
  });
});
