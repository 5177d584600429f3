import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatVerifierKey, parseVerifierKey, signerKey } from '../../core/note.ts';
import log from '../../tests/vectors/log.json' with { type: 'json' };
import { verifyReceipt } from './receipt.ts';

const SIZE = log.checkpoints.length;
const key = parseVerifierKey(log.verifier)!;
const witness = parseVerifierKey(log.cosignature.verifier)!;

/** A receipt over Go's checkpoint and Go's proof. */
function receipt(index: number) {
  const { text, leaf } = log.records[index]!;
  const { proof } = log.inclusion.find((one) => one.index === index && one.size === SIZE)!;
  const note = log.checkpoints[SIZE - 1]! + log.cosignature.line;
  const checkpoint = { size: SIZE, root: log.roots[SIZE]!, note, signed_at: '2027-01-15T08:00:00.000Z' };
  return { log: 'acme~0~1', index, leaf, canonical: text, proof, checkpoint };
}

describe('a receipt', () => {
  it('is good for every record of a log that Go signed, and names the witness whose key is known', () => {
    log.records.forEach((_, index) => {
      expect(verifyReceipt(JSON.stringify(receipt(index)), [key, witness])).toEqual({
        ...{ verdict: 'good', log: 'acme~0~1', index, size: SIZE, root: log.roots[SIZE] },
        signedBy: `audit.example.com+${key.hash}`,
        witnesses: [{ name: witness.name, at: '2027-01-15T08:02:03.000Z' }],
      });
    });
    expect(verifyReceipt(JSON.stringify(receipt(0)), [key])).toMatchObject({
      verdict: 'good',
      witnesses: [],
    });
  });

  it('is never good after a change of what it proves', () => {
    const text = JSON.stringify({ ...receipt(3), checkpoint: { ...receipt(3).checkpoint, signed_at: '' } });
    const before = verifyReceipt(text, [key]);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        const after = verifyReceipt(changed, [key, witness]);
        // Good only where the change was none to JSON, to the time that nothing vouches for, or to a witness's name.
        if (after.verdict === 'good') expect({ ...after, witnesses: [] }).toEqual(before);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['of another index', { index: 2 }, /says that it is elsewhere/],
    ['of another log', { log: 'acme~0~2' }, /says that it is elsewhere/],
    ['with the text of another record', { canonical: log.records[1]!.text }, /leaf hash/],
    [
      'of another record and its leaf',
      { canonical: log.records[1]!.text, leaf: log.records[1]!.leaf },
      /elsewhere/,
    ],
    ['with a hash too few', { proof: receipt(0).proof.slice(1) }, /proof does not lead/],
    ['with another size', { checkpoint: { ...receipt(0).checkpoint, size: 6 } }, /not the signed one/],
    [
      'with an older checkpoint',
      { checkpoint: { size: 6, root: log.roots[6], note: log.checkpoints[5] } },
      /proof does not lead/,
    ],
    [
      'with a changed checkpoint',
      { checkpoint: { ...receipt(0).checkpoint, note: receipt(0).checkpoint.note.replace('acme', 'acne') } },
      /not its key’s/,
    ],
    ['without a note', { checkpoint: { ...receipt(0).checkpoint, note: 'x' } }, /no signed note/],
  ])('is bad %s', (_what, change, why) => {
    const verdict = verifyReceipt(JSON.stringify({ ...receipt(0), ...change }), [key]);
    expect(verdict).toEqual({ verdict: 'bad', why: expect.stringMatching(why) });
  });

  it('is bad for a key of another gateway, though that signed it', () => {
    const renamed = receipt(0);
    const note = renamed.checkpoint.note.replace('audit.example.com/', 'audit.example.com/x/');
    const changed = { ...renamed, checkpoint: { ...renamed.checkpoint, note } };
    expect(verifyReceipt(JSON.stringify(changed), [key])).toMatchObject({ verdict: 'bad' });
  });

  it.each([
    [
      'by a key that was not given',
      JSON.stringify(receipt(0)),
      [signerKey('x', new Uint8Array(32)).verifier],
    ],
    ['with a witness’s key alone', JSON.stringify(receipt(0)), [witness]],
    ['without keys', JSON.stringify(receipt(0)), []],
    ['that is no receipt', '{"log":"acme~0~1"}', [key]],
    ['that is null', 'null', [key]],
    [
      'whose record is null',
      JSON.stringify({ ...receipt(0), canonical: null, archive: { name: 'acme-2027_01.bundle' } }),
      [key],
    ],
    ['that is no JSON', 'receipt', [key]],
  ])('cannot be checked %s', (_what, text, keys) => {
    expect(verifyReceipt(text, keys)).toMatchObject({ verdict: 'unchecked' });
  });
});

describe('npm run receipt', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'receipt-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const command = fileURLToPath(new URL('../commands/receipt.ts', import.meta.url));
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string }>((resolve) => {
      execFile(process.execPath, [command, ...args], (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, out: stdout + stderr });
      });
    });

  it('exits 0 for good, 1 for bad and 2 where it could not check', async () => {
    const [good, changed, keys] = ['good.json', 'bad.json', 'keys'].map((name) => join(dir, name));
    await writeFile(good!, JSON.stringify(receipt(0)));
    await writeFile(changed!, JSON.stringify({ ...receipt(0), index: 1 }));
    await writeFile(keys!, `${formatVerifierKey(key)}\n${formatVerifierKey(witness)}\n`);
    const vkey = ['--key', log.verifier];
    expect(await run('verify', good!, ...vkey)).toEqual({
      code: 0,
      out: `good: acme~0~1/0 is in the log of 7 records that audit.example.com+${key.hash} signed\n`,
    });
    const { code, out } = await run('verify', good!, '--keys', keys!, '--json');
    expect([code, JSON.parse(out)]).toMatchObject([0, { verdict: 'good', witnesses: [{}] }]);
    expect(await run('verify', changed!, ...vkey)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^bad: /),
    });
    expect((await run('verify', good!)).code).toBe(2);
    expect((await run('verify', good!, '--key', 'x')).code).toBe(2);
    expect((await run('verify', join(dir, 'nothing'), ...vkey)).code).toBe(2);
    expect((await run('check', good!, ...vkey)).code).toBe(2);
  });
});
