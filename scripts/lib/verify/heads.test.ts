import { describe, expect, it } from 'vitest';
import { parseVerifierKey, signerKey } from '../../../core/note.ts';
import log from '../../../tests/vectors/log.json' with { type: 'json' };
import { headOf } from './heads.ts';

const SIZE = log.checkpoints.length;
const key = parseVerifierKey(log.verifier)!;
const note = log.checkpoints[SIZE - 1]!;
const { leaf, text } = log.records[0]!;
const { proof } = log.inclusion.find(({ index, size }) => index === 0 && size === SIZE)!;
const checkpoint = { size: SIZE, root: log.roots[SIZE]!, note };
const receipt = { log: 'acme~0~1', index: 0, leaf, canonical: text, proof, checkpoint };
const { canonical: _, ...rest } = receipt;
const archived = { ...rest, archive: { name: 'acme-2027_01.bundle', sha256: '00'.repeat(32) } };

describe('a head is stated', () => {
  it.each([
    ['a checkpoint', note],
    ['a checkpoint as the gateway answered it', JSON.stringify({ log: 'acme~0~1', ...checkpoint })],
    ['a receipt', JSON.stringify(receipt)],
    ['the receipt of a record that is in an archive', JSON.stringify(archived)],
  ])('by %s', (_what, kept) => {
    expect(headOf(kept, 'the file', [key])).toEqual({
      ...{ log: 'acme~0~1', size: SIZE, by: 'the file' },
      root: new Uint8Array(Buffer.from(log.roots[SIZE]!, 'hex')),
    });
  });

  it.each([
    [
      'a proof that does not hold',
      JSON.stringify({ ...archived, leaf: '00'.repeat(32) }),
      [key],
      'does not lead',
    ],
    [
      'a signature of nobody’s',
      JSON.stringify(archived),
      [signerKey('x', new Uint8Array(32)).verifier],
      'none',
    ],
    ['no key', JSON.stringify(archived), [], 'signed by none of the gateway’s keys'],
    ['nothing in it', '{}', [key], 'neither a checkpoint nor a receipt'],
  ])('by nothing with %s', (_what, kept, keys, words) => {
    expect(() => headOf(kept, 'the file', keys)).toThrow(words);
  });
});
