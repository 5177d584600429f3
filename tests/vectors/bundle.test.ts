import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { readBundle } from '../../scripts/lib/verify/bundle.ts';
import { verify } from '../../scripts/lib/verify/verify.ts';
import { bundleOf, SIGNER, signedLog, WITNESS } from '../fakes/signed-log.ts';

// A whole bundle, byte for byte: record, bytes, leaf, root, checkpoint and proof hang together in one file, which others
// can try their own tools on. Its keys are those of tests/fakes/signed-log.ts.

const FILE = new URL('bundle.txt', import.meta.url);

it('is what the same logs make today', async () => {
  const logs = [
    signedLog({ log: 'acme~0~1', records: 11, every: 4, witnessed: [8] }),
    signedLog({ log: 'acme~1~1', records: 3, every: 3 }),
  ];
  expect(await bundleOf('acme', logs)).toBe(await readFile(FILE, 'utf8'));
});

it('verifies, up to where the witness signed', async () => {
  const source = {
    ...{ name: 'bundle.txt', current: false },
    async *sections() {
      async function* chunks() {
        yield await readFile(FILE);
      }
      yield* readBundle(chunks());
    },
  };
  const report = await verify({ sources: [source], keys: [SIGNER.verifier, WITNESS], heads: [] });
  expect(report.faults).toEqual([]);
  expect(report.logs.map(({ log, covered, head }) => [log, covered, head?.size])).toEqual([
    ['acme~0~1', 8, 8],
    ['acme~1~1', 3, undefined],
  ]);
});
