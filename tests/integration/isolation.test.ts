import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Mem0, startMem0 } from '../../local/mem0.ts';
import { Model } from '../isolation/model.ts';
import { steps, TENANTS, Walker } from '../isolation/steps.ts';
import { type Rig, startRig } from './rig.ts';

// Random requests of three tenants through the real Worker over the real engine, against a model of who may see what.
// `npm run test:isolation -- --runs N --seed S` goes on for as long as wanted, and with `--origin URL` over a Mem0 server
// that runs already.

const RUNS = Number(process.env.ISOLATION_RUNS ?? 60);
const SEED = Number(process.env.ISOLATION_SEED ?? 20_261_123);
const PROGRESS_EVERY_MS = 5000;
const RESET_EVERY = 25;

let dir: string;
let mem0: Pick<Mem0, 'url' | 'apiKey' | 'stop'>;
let rig: Rig;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-isolation-'));
  mem0 = running(process.env) ?? (await startMem0({ dir, log: () => undefined }));
  rig = await startRig({ mem0, tenants: TENANTS });
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** The server that the command was pointed at. It is somebody else's to stop, and everything in it is wiped. */
function running({ MEM0_SERVER_URL: url, MEM0_SERVER_KEY: apiKey }: NodeJS.ProcessEnv) {
  return url && apiKey ? { url, apiKey, stop: async () => undefined } : undefined;
}

async function wipe(): Promise<void> {
  const { ok, status } = await fetch(`${mem0.url}/reset`, {
    method: 'POST',
    headers: { 'x-api-key': mem0.apiKey },
  });
  if (!ok) throw new Error(`Mem0 answered its reset ${status}`);
}

it('no foreign row, no foreign write, and no row of one’s own lost', { timeout: 0 }, async () => {
  const entries = await Promise.all(
    TENANTS.map(async (tenant) => [tenant, await rig.token(tenant, 'admin')] as const),
  );
  const tokens = Object.fromEntries(entries) as { [T in (typeof TENANTS)[number]]: string };
  let runs = 0;
  let taken = 0;
  let said = Date.now();
  await fc.assert(
    fc.asyncProperty(steps, async (walk) => {
      // The engine looks through all that it holds, so a long run would get slower and slower.
      if (runs % RESET_EVERY === 0) await wipe();
      const walker = new Walker(rig, new Model(), tokens, `-${++runs}`);
      for (const step of walk) {
        expect(await walker.take(step)).toBeUndefined();
        taken++;
      }
      expect(await walker.settle()).toBeUndefined();
      if (process.env.ISOLATION_RUNS && Date.now() - said > PROGRESS_EVERY_MS) {
        said = Date.now();
        process.stderr.write(`${runs} of ${RUNS} walks, ${taken} requests\n`);
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(taken).toBeGreaterThan(RUNS * 4);
  if (process.env.ISOLATION_RUNS) {
    process.stderr.write(`No difference in ${runs} walks, ${taken} requests, seed ${SEED}.\n`);
  }
});
