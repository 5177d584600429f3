import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts';
import {
  formatNote,
  openNote,
  parseNote,
  parseSignerKey,
  parseVerifierKey,
  signerKey,
  signNote,
  verifierKey,
  verifySignature,
} from './note.ts';

const SEED = new Uint8Array(32).fill(9);

describe('a note', () => {
  const key = signerKey('gateway.example/audit', SEED);
  const encode = (text: string) => formatNote({ text, signatures: [signNote(text, key)] });

  it('does not open after any change of one character', () => {
    const encoded = encode('a line\nanother\n');
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, code) => {
        const changed = encoded.slice(0, at) + String.fromCharCode(code) + encoded.slice(at + 1);
        fc.pre(changed !== encoded);
        expect(openNote(changed, [key.verifier]).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('tells apart what is wrong with it', () => {
    const encoded = encode('text\n');
    const other = signerKey('gateway.example/audit', new Uint8Array(32).fill(1));
    expect(openNote(encoded, [other.verifier])).toEqual({ ok: false, reason: 'no_known_key' });
    expect(openNote(encoded.replace('text', 'test'), [key.verifier])).toEqual({
      ok: false,
      reason: 'bad_signature',
    });
    expect(openNote('text\n', [key.verifier])).toEqual({ ok: false, reason: 'malformed' });
  });

  it.each([
    ['no empty line', 'text\n\u2014 a AAAAAAE=\n'],
    ['no signatures', 'text\n\n'],
    ['no last newline', 'text\n\n\u2014 a AAAAAAE='],
    ['a control character', 'te\txt\n\n\u2014 a AAAAAAE=\n'],
    ['a carriage return', 'text\r\n\n\u2014 a AAAAAAE=\n'],
    ['another dash', 'text\n\n- a AAAAAAE=\n'],
    ['a name with a plus', 'text\n\n\u2014 a+b AAAAAAE=\n'],
    ['no signature behind the hash', 'text\n\n\u2014 a AAAAAA==\n'],
    ['base64 of another form', 'text\n\n\u2014 a AAAAAAF=\n'],
    ['too many signatures', `text\n\n${'\u2014 a AAAAAAE=\n'.repeat(101)}`],
  ])('is none with %s', (_what, encoded) => {
    expect(parseNote(encoded)).toBeUndefined();
  });

  it('is refused as a text when it could not be read back', () => {
    for (const text of ['no newline', 'a\tb\n', '\ud800\n'])
      expect(() => signNote(text, key)).toThrow(RangeError);
  });
});

describe('an encoded key', () => {
  const encoded = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  it.each([
    encoded.replace('c74f20a3', 'c74f20a4'),
    encoded.replace('PeterNeumann', 'PeterNeuman'),
    encoded.replace('+ARpc', '+Arpc'),
    encoded.replace('c74f20a3', 'C74F20A3'),
    encoded.slice(0, -4),
    `${encoded}\n`,
    ` ${encoded}`,
    '',
  ])('is none when changed: %j', (text) => {
    expect(parseVerifierKey(text)).toBeUndefined();
    expect(parseSignerKey(`PRIVATE+KEY+${text}`)).toBeUndefined();
  });

  it('has a name that can be told from what follows', () => {
    for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\u0085b', '\ud800']) {
      expect(() => verifierKey(name, 'ed25519', SEED)).toThrow(RangeError);
    }
  });

  it('that is no point of the curve verifies nothing', () => {
    const key = verifierKey('x', 'ed25519', new Uint8Array(32).fill(255));
    const line = { name: 'x', hash: key.hash, signature: new Uint8Array(64) };
    expect(verifySignature('text\n', line, key)).toEqual({ ok: false });
  });
});

describe('a checkpoint', () => {
  const [origin, root] = ['gateway.example/acme~0~1', new Uint8Array(32).fill(3)];
  const text = formatCheckpoint({ origin, size: 7, root, extensions: ['more'] });

  it('reads back', () => {
    expect(parseCheckpoint(text)).toEqual({ origin, size: 7, root, extensions: ['more'] });
  });

  it.each([
    text.trimEnd(),
    text.replace('\n7\n', '\n07\n'),
    text.replace('\n7\n', '\n-7\n'),
    text.replace('\n7\n', `\n${2 ** 53}\n`),
    text.replace('\nmore', '\n'),
    text.replace(origin, ''),
    `${origin}\n7\n`,
    `${origin}\n7\nAAAA\n`,
    '',
  ])('is none: %j', (bad) => {
    expect(parseCheckpoint(bad)).toBeUndefined();
  });

  it('is not made of what could not be read back', () => {
    expect(() => formatCheckpoint({ origin: '', size: 7, root, extensions: [] })).toThrow(RangeError);
    expect(() => formatCheckpoint({ origin, size: 0.5, root, extensions: [] })).toThrow(RangeError);
    expect(() => formatCheckpoint({ origin, size: 7, root: root.slice(1), extensions: [] })).toThrow(
      RangeError,
    );
  });
});
