import { describe, expect, it } from 'vitest';
import { formatCheckpoint, originOf, parseCheckpoint } from '../../core/checkpoint.ts';
import {
  cosignNote,
  formatNote,
  formatSignature,
  formatSignerKey,
  formatVerifierKey,
  openNote,
  parseNote,
  parseSignature,
  parseSignerKey,
  parseVerifierKey,
  signerKey,
  signNote,
  verifySignature,
} from '../../core/note.ts';
import { seal } from '../../core/record.ts';
import log from './log.json' with { type: 'json' };
import published from './notes.json' with { type: 'json' };

describe('published notes', () => {
  const { signed, second } = published;
  const signer = parseSignerKey(signed.signer)!;
  const verifier = parseVerifierKey(signed.verifier)!;

  it('are made here byte for byte', () => {
    const signatures = [signNote(signed.text, signer)];
    expect(formatNote({ text: signed.text, signatures })).toBe(signed.note);
    const enoch = signerKey(second.name, new Uint8Array(Buffer.from(second.seed, 'hex')));
    signatures.push(signNote(signed.text, enoch));
    expect(formatNote({ text: signed.text, signatures })).toBe(second.note);
  });

  it('open with their keys, which read and write as published', () => {
    expect(openNote(signed.note, [verifier])).toMatchObject({ ok: true, text: signed.text });
    expect(openNote(second.note, [verifier])).toMatchObject({ ok: true, by: [{ key: verifier }] });
    expect(formatVerifierKey(verifier)).toBe(signed.verifier);
    expect(formatSignerKey(signer)).toBe(signed.signer);
    expect(signer.verifier).toEqual(verifier);
  });

  it.each(published.parsed)('are read and written the same: %s', (encoded) => {
    expect(formatNote(parseNote(encoded)!)).toBe(encoded);
  });

  it('hold the published checkpoint', () => {
    const { origin, size, root } = published.checkpoint;
    const { text } = parseNote(published.parsed[1]!)!;
    const checkpoint = { origin, size, root: new Uint8Array(Buffer.from(root, 'base64')), extensions: [] };
    expect(parseCheckpoint(text)).toEqual(checkpoint);
    expect(formatCheckpoint(checkpoint)).toBe(text);
  });
});

describe("Go's notes over this project's log", () => {
  const signer = parseSignerKey(log.signer)!;
  const verifier = parseVerifierKey(log.verifier)!;

  it('are over the records as they are sealed here', () => {
    for (const { members, index, time, text, leaf } of log.records) {
      const name = { tenant: 'acme', shard: 0, epoch: 1 };
      expect(seal(members as Parameters<typeof seal>[0], name, index, time)).toMatchObject({ text, leaf });
    }
  });

  it('are the checkpoints that are signed here', () => {
    expect(log.origin).toBe(originOf(verifier.name, 'acme~0~1'));
    log.checkpoints.forEach((encoded, i) => {
      const root = new Uint8Array(Buffer.from(log.roots[i + 1]!, 'hex'));
      const text = formatCheckpoint({ origin: log.origin, size: i + 1, root, extensions: [] });
      expect(formatNote({ text, signatures: [signNote(text, signer)] })).toBe(encoded);
      expect(openNote(encoded, [verifier]).ok).toBe(true);
    });
  });

  it('take the cosignature of a witness, which says when it was made', () => {
    const { name, seed, seconds, line, verifier: encoded } = log.cosignature;
    const { text } = parseNote(log.checkpoints.at(-1)!)!;
    const signature = cosignNote(text, name, new Uint8Array(Buffer.from(seed, 'hex')), seconds);
    expect(formatSignature(signature)).toBe(line);
    const key = parseVerifierKey(encoded)!;
    expect(verifySignature(text, parseSignature(line.trimEnd())!, key)).toEqual({ ok: true, seconds });
    expect(verifySignature(log.checkpoints[0]!, signature, key)).toEqual({ ok: false });
    expect(openNote(log.checkpoints.at(-1)! + line, [key])).toMatchObject({ ok: true, by: [{ seconds }] });
  });
});
