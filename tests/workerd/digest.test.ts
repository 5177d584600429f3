import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashBytes, hashHex } from '#digest';
import * as wasm from '../../core/digest/workerd.ts';
import { hashNode, hashText } from '../../core/merkle.ts';
import { sha256 } from '../../core/sha256.ts';

/** The platform's own, which the Worker does not hash with. */
const platform = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

it('is made by the module in the Worker and its objects', () => {
  expect(hashHex).toBe(wasm.hashHex);
  expect(hashBytes).toBe(wasm.hashBytes);
});

it.each([
  // FIPS 180-4, the examples of the standard's own.
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
])('is the standard’s: %.12s', (text, expected) => {
  expect(sha256(text)).toBe(expected);
});

it('is the platform’s at every length up to several of the module’s inputs, one after the other', () => {
  const bytes = crypto.getRandomValues(new Uint8Array(2200));
  for (let length = 0; length <= bytes.length; length++) {
    // From the end, so that none begins where the one before did.
    const part = bytes.subarray(bytes.length - length);
    if (hashHex(part) !== platform(part)) expect.fail(`of ${length} bytes`);
    if (Buffer.from(hashBytes(part)).toString('hex') !== platform(part)) expect.fail(`of ${length} bytes`);
  }
});

it('is the platform’s of any texts, a longer one before a shorter one and the other way round', () => {
  const text = fc.string({ unit: 'binary', maxLength: 3000, size: 'max' });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
      for (const each of texts) {
        expect(sha256(each)).toBe(platform(Buffer.from(each)));
        expect(hashText(each).leaf).toBe(platform(Buffer.concat([Buffer.of(0), Buffer.from(each)])));
      }
    }),
    { numRuns: 300 },
  );
});

it('gives bytes that the next hash leaves alone', () => {
  const left = hashBytes(Buffer.from('left'));
  const kept = left.slice();
  const node = hashNode(left, hashBytes(Buffer.from('right')));
  expect(left).toEqual(kept);
  expect(Buffer.from(node).toString('hex')).toBe(
    platform(Buffer.concat([Buffer.of(1), kept, hashBytes(Buffer.from('right'))])),
  );
});
