import * as z from 'zod/mini';
import { parseSignerKey, parseVerifierKey, type SignerKey, type VerifierKey } from '../core/note.ts';

/** The keys of a gateway's checkpoints: the one that signs, and all that auditors are told of, that one first. */
export interface SigningKeys {
  readonly signer: SignerKey;
  readonly verifiers: readonly VerifierKey[];
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');

/** One signer key and, behind it, the verifier keys that signed before or will sign next. */
export const signingKeys = z.pipe(
  z.string(),
  z.transform((text, { issues }): SigningKeys => {
    const [first = '', ...others] = words(text);
    const signer = parseSignerKey(first);
    const known = others.map(parseVerifierKey).filter((key) => key?.type === 'ed25519') as VerifierKey[];
    if (signer === undefined || known.length < others.length) {
      issues.push({
        code: 'custom',
        message:
          'is not `PRIVATE+KEY+<name>+<hash>+<key>` with verifier keys `<name>+<hash>+<key>` behind it',
        input: text,
      });
      return z.NEVER;
    }
    const own = signer.verifier;
    return { signer, verifiers: [own, ...known.filter(({ hash }) => hash !== own.hash)] };
  }),
);

/** Verifier keys of witnesses, cosignature/v1. */
export const witnessKeys = z.pipe(
  z.string(),
  z.transform((text, { issues }): readonly VerifierKey[] => {
    const keys = words(text).map(parseVerifierKey);
    if (keys.every((key) => key?.type === 'cosignature')) return keys as VerifierKey[];
    issues.push({
      code: 'custom',
      message: 'has a word that is no verifier key of a witness (type 4)',
      input: text,
    });
    return z.NEVER;
  }),
);

/** A name without a scheme: a host, perhaps a port, perhaps a path. */
export const gatewayOrigin = z
  .string()
  .check(
    z.maxLength(200, 'is longer than 200 characters'),
    z.regex(
      /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(\/[A-Za-z0-9._-]+)*$/,
      'is not a host and a path without a scheme',
    ),
  );

/** What is wrong with keys and origin together; auditors tell a gateway's keys by the name. */
export function signingProblems(keys: SigningKeys | undefined, origin: string | undefined): string[] {
  if (keys === undefined || origin === undefined) return [];
  const strange = keys.verifiers.some(({ name }) => name !== origin);
  return strange ? ['AUDIT_SIGNING_KEY has a key whose name is not AUDIT_ORIGIN'] : [];
}
