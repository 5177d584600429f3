import { expect, it } from 'vitest';
import {
  formatNote,
  openNote,
  parseNote,
  parseSignerKey,
  parseVerifierKey,
  signNote,
} from '../../core/note.ts';
import log from '../vectors/log.json' with { type: 'json' };

it('signs and opens in workerd what Go signs and opens', () => {
  const signer = parseSignerKey(log.signer)!;
  for (const encoded of log.checkpoints) {
    const { text } = parseNote(encoded)!;
    expect(formatNote({ text, signatures: [signNote(text, signer)] })).toBe(encoded);
    expect(openNote(encoded, [signer.verifier]).ok).toBe(true);
    expect(openNote(encoded.replace('acme', 'acne'), [signer.verifier])).toMatchObject({
      reason: 'bad_signature',
    });
  }
  const witness = parseVerifierKey(log.cosignature.verifier)!;
  expect(openNote(log.checkpoints.at(-1)! + log.cosignature.line, [witness])).toMatchObject({ ok: true });
});
