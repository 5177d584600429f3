import { originOf, parseCheckpoint } from '../../../core/checkpoint.ts';
import type { TreeHead } from '../../../core/merkle.ts';
import { openNote, parseNote, type SignedBy, type VerifierKey } from '../../../core/note.ts';
import type { CheckpointSection } from './sections.ts';

export interface SignedHead extends TreeHead {
  /** By a key of the gateway's that was given. */
  readonly signed: boolean;
  /** A witness whose key was given, and when it says that it signed. */
  readonly witness: string | undefined;
  /** The key that signed, `<name>+<hash>`, where none that was given did. */
  readonly stranger: string | undefined;
}

export type ReadCheckpoint =
  | { readonly ok: true; readonly head: SignedHead }
  | { readonly ok: false; readonly what: string };

const wrong = (what: string): ReadCheckpoint => ({ ok: false, what });

/** What a checkpoint of a log says, and who signed it; it says more than `after` records. */
export function readCheckpoint(
  { size, note: encoded }: CheckpointSection,
  log: string,
  keys: readonly VerifierKey[],
  after: number,
): ReadCheckpoint {
  const note = parseNote(encoded);
  const checkpoint = parseCheckpoint(note?.text ?? '');
  if (note === undefined || checkpoint === undefined) return wrong('is no signed note of a checkpoint');
  const { origin, root } = checkpoint;
  if (checkpoint.size !== size || size <= after) return wrong('is out of its order');
  if (!origin.endsWith(`/${log}`)) return wrong('speaks of another log');
  const opened = openNote(encoded, keys);
  if (!opened.ok && opened.reason === 'bad_signature') return wrong('has a signature that is not its key’s');
  const by = opened.ok ? opened.by : [];
  const gateway = by.find(({ key }) => key.type === 'ed25519')?.key;
  if (gateway !== undefined && origin !== originOf(gateway.name, log)) {
    return wrong('is signed in another gateway’s name');
  }
  const witness = by.find(({ key }) => key.type === 'cosignature');
  const [line] = note.signatures;
  const stranger = gateway === undefined ? `${line!.name}+${line!.hash}` : undefined;
  return {
    ok: true,
    head: { size, root, signed: gateway !== undefined, witness: witness && wordsOf(witness), stranger },
  };
}

/** The end of what a Date holds. */
const MAX_SECONDS = 8.64e12;

function wordsOf({ key, seconds = 0 }: SignedBy): string {
  const at = seconds < MAX_SECONDS ? ` at ${new Date(seconds * 1000).toISOString()}` : '';
  return `the witness ${key.name}${at}`;
}
