import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatVerifierKey, signerKey } from '../../core/note.ts';
import { run } from '../../scripts/lib/run.ts';
import { bundleOf, SIGNER, signedLog } from '../fakes/signed-log.ts';

// A bundle is checked by Go's own packages, which know nothing of this project.

const KEY = formatVerifierKey(SIGNER.verifier);
const LOGS = [
  signedLog({ log: 'acme~0~1', records: 700, every: 37, witnessed: [74] }),
  signedLog({ log: 'acme~1~1', records: 5, every: 5 }),
];

let dir: string;
let program: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bundle-go-'));
  program = join(dir, 'bundle-check');
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const built = await run('go', ['build', '-o', program, '.'], { cwd, env: process.env });
  if (built.code !== 0) throw new Error(`Go could not build it: ${built.stderr}`);
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function check(text: string, key = KEY) {
  const file = join(dir, 'bundle');
  await writeFile(file, text);
  return run(program, ['-key', key, file], { env: process.env });
}

it('finds every checkpoint good', async () => {
  const { code, stdout } = await check(await bundleOf('acme', LOGS));
  expect(code, stdout).toBe(0);
  const sizes = LOGS.flatMap(({ log, checkpoints }) => checkpoints.map(({ size }) => `good: ${log} ${size}`));
  expect(stdout.trim().split('\n')).toEqual(sizes);
});

it('finds the bundle of the vectors good', async () => {
  const text = await readFile(new URL('../vectors/bundle.txt', import.meta.url), 'utf8');
  expect(await check(text)).toMatchObject({
    code: 0,
    stdout: 'good: acme~0~1 4\ngood: acme~0~1 8\ngood: acme~1~1 3\n',
  });
});

it.each([
  ['a record changed', (text: string) => text.replace('\neyJhY3Rpb24i', '\neyJhY3Rpb25i'), 'another root'],
  ['a proof changed', (text: string) => withHash(text), 'consistency'],
  ['a checkpoint changed', (text: string) => text.replace('/acme~0~1\n37\n', '/acme~0~1\n38\n'), 'signature'],
])('finds %s', async (_what, change, why) => {
  const text = await bundleOf('acme', LOGS);
  const { code, stdout } = await check(change(text));
  expect(change(text)).not.toBe(text);
  expect(code).toBe(1);
  expect(stdout).toContain(why);
});

/** The first hash of the second proof replaced by another. */
function withHash(text: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith('consistency acme~0~1 37 74'));
  return lines.with(at + 1, Buffer.alloc(32, 7).toString('base64')).join('\n');
}

it('takes no other key', async () => {
  const other = signerKey(SIGNER.verifier.name, new Uint8Array(32).fill(5));
  const { code } = await check(await bundleOf('acme', LOGS), formatVerifierKey(other.verifier));
  expect(code).toBe(1);
});
