import { originOf, parseCheckpoint } from '../../../core/checkpoint.ts';
import { openNote, parseNote, type VerifierKey } from '../../../core/note.ts';
import { CommandError } from '../command.ts';
import { readReceipt, verifyReceipt } from '../receipt.ts';
import type { Head } from './sections.ts';

/**
 * The head that a file states: a checkpoint, alone or as the gateway answered it, or a receipt. It is believed because
 * the auditor kept it; its signature says that the gateway once stated it, too, as far as its key was given.
 * @param where the file's name, for messages.
 * @throws CommandError when the file is none, or not good.
 */
export function headOf(text: string, where: string, keys: readonly VerifierKey[]): Head {
  const cannot = (why: string) => new CommandError(`${where}: ${why}.`, 2);
  const receipt = readReceipt(text);
  if (receipt !== undefined) {
    // Where the record itself is in an archive its receipt proves no text, but it states a head like any other.
    const verdict = verifyReceipt(text, keys);
    if (verdict.verdict === 'bad') throw cannot(verdict.why);
  }
  const note = receipt?.checkpoint.note ?? noteIn(text);
  const checkpoint = parseCheckpoint(parseNote(note)?.text ?? '');
  const log = checkpoint?.origin.slice(checkpoint.origin.lastIndexOf('/') + 1);
  if (checkpoint === undefined || log === undefined) throw cannot('neither a checkpoint nor a receipt');
  const opened = openNote(note, keys);
  if (!opened.ok && opened.reason === 'bad_signature') throw cannot('a signature is not its key’s');
  const signer = opened.ok ? opened.by.find(({ key }) => key.type === 'ed25519')?.key : undefined;
  if (signer === undefined) throw cannot('signed by none of the gateway’s keys that were given');
  if (checkpoint.origin !== originOf(signer.name, log)) throw cannot('signed in another gateway’s name');
  return { log, size: checkpoint.size, root: checkpoint.root, by: where };
}

/** The note in the answer of the gateway's checkpoint route, or the text itself. */
function noteIn(text: string): string {
  try {
    const { note } = JSON.parse(text) as { readonly note?: unknown };
    return typeof note === 'string' ? note : text;
  } catch {
    return text;
  }
}
