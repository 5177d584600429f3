import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { type Hosted, startHosted } from '../fakes/hosted.ts';
import { type Rig, startRig } from '../integration/rig.ts';

// Mem0's official Python clients against the gateway; `npm run test:python` makes the environment that they run in.

const CLIENT = fileURLToPath(new URL('./client.py', import.meta.url));
const PYTHON = process.env.PYTHON_WITH_MEM0;

let dir: string;
let mem0: Mem0;
let hosted: Hosted;
const rigs: Rig[] = [];

beforeAll(async () => {
  if (PYTHON === undefined) throw new Error('PYTHON_WITH_MEM0 is not set: run `npm run test:python`.');
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-python-'));
  mem0 = await startMem0({ dir, log: () => undefined });
  hosted = await startHosted();
});

afterAll(async () => {
  await Promise.all(rigs.map((rig) => rig.stop()));
  await Promise.all([mem0?.stop(), hosted?.stop()]);
  await rm(dir, { recursive: true, force: true });
});

it.each(['oss', 'platform'] as const)('the official Python clients work unmodified: %s', async (kind) => {
  const limits = { RATE_LIMIT_REQUESTS: '100', RATE_LIMIT_ADMIN_REQUESTS: '1000' };
  const rig = await startRig({
    mem0: kind === 'oss' ? mem0 : hosted,
    env: { ...limits, MEM0_KIND: kind },
  });
  rigs.push(rig);
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    MEM0_DIR: dir,
    MEM0_TELEMETRY: 'false',
    GATEWAY_URL: rig.url,
    ORIGIN: kind,
    WRITER: await rig.token('acme', 'admin', 'writer'),
    READER: await rig.token('acme', 'agent-reader', 'reader'),
    LIMITED: await rig.token('acme', 'agent-reader', 'limited'),
    FOREIGN: await rig.token('globex', 'admin', 'foreign'),
  };
  const { stdout } = await promisify(execFile)(PYTHON!, [CLIENT], { env });
  expect(stdout).toBe('every method is as expected\n');
});
