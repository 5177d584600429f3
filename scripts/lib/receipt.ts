import { readFile } from 'node:fs/promises';
import { canonical, type Json } from '../../core/canonical.ts';
import { originOf, parseCheckpoint } from '../../core/checkpoint.ts';
import { hashLeaf, verifyInclusion } from '../../core/merkle.ts';
import { type OpenedNote, openNote, parseVerifierKey, type VerifierKey } from '../../core/note.ts';
import { CommandError } from './command.ts';

/** A record with the proof that it is in its log, as `GET /governance/v1/audit/{log}/{index}/proof` gives it. */
interface Receipt {
  readonly log: string;
  readonly index: number;
  readonly leaf: string;
  /** Absent when the record is in an archive. */
  readonly canonical?: string;
  readonly archive?: { readonly name: string };
  readonly proof: readonly string[];
  readonly checkpoint: { readonly size: number; readonly root: string; readonly note: string };
}

export type Verdict =
  | {
      readonly verdict: 'good';
      readonly log: string;
      readonly index: number;
      /** Of the tree that the checkpoint speaks of. */
      readonly size: number;
      readonly root: string;
      readonly signedBy: string;
      /** Witnesses whose keys were given and who signed, and when they say that they did (RFC 3339). */
      readonly witnesses: readonly { readonly name: string; readonly at: string }[];
    }
  | { readonly verdict: 'bad'; readonly why: string }
  /** Nothing is known to be wrong, and nothing is proven. */
  | { readonly verdict: 'unchecked'; readonly why: string };

const bad = (why: string): Verdict => ({ verdict: 'bad', why });
const unchecked = (why: string): Verdict => ({ verdict: 'unchecked', why });

/** Verifier keys from text, separated by white space; `undefined` when a word is none. */
export function readKeys(text: string): VerifierKey[] | undefined {
  const keys = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(parseVerifierKey);
  return keys.includes(undefined) ? undefined : (keys as VerifierKey[]);
}

/**
 * The keys of `--key` and of the file of `--keys`.
 * @throws CommandError when a word is none, or the file cannot be read.
 */
export async function readKeyFiles(
  words: readonly string[] | undefined,
  file: string | undefined,
): Promise<VerifierKey[]> {
  const keysIn = (text: string, where: string) => {
    const found = readKeys(text);
    if (found === undefined) throw new CommandError(`${where}: not every word is a verifier key.`, 2);
    return found;
  };
  const text = file === undefined ? '' : await readText(file);
  return [...keysIn((words ?? []).join('\n'), '--key'), ...keysIn(text, file ?? '')];
}

/** @throws CommandError when the file cannot be read. */
export async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be read (${error.code}).`, 2);
  });
}

/**
 * Checks a receipt with nothing but itself and keys that the auditor has from elsewhere: whoever forges a receipt can
 * put any key into it.
 */
export function verifyReceipt(text: string, keys: readonly VerifierKey[]): Verdict {
  const receipt = readReceipt(text);
  if (receipt === undefined) return unchecked('the file is no receipt');
  if (!keys.some(({ type }) => type === 'ed25519'))
    return unchecked('no verifier key of a gateway was given');
  const { log, index, leaf, checkpoint } = receipt;

  const wrong = contentFault(receipt);
  if (wrong !== undefined) return bad(wrong);
  const opened = openNote(checkpoint.note, keys);
  if (!opened.ok) return opened.reason === 'no_known_key' ? strangers() : bad(NOTE_FAULTS[opened.reason]);
  const signer = opened.by.find(({ key }) => key.type === 'ed25519')?.key;
  if (signer === undefined) return strangers();

  const signed = parseCheckpoint(opened.text);
  if (signed === undefined) return bad('what is signed is no checkpoint');
  if (signed.origin !== originOf(signer.name, log))
    return bad(`the checkpoint is of another log than ${log}`);
  const root = Buffer.from(signed.root).toString('hex');
  if (signed.size !== checkpoint.size || root !== checkpoint.root) {
    return bad('the size or root beside the checkpoint is not the signed one');
  }
  const head = { index, size: signed.size, root: signed.root };
  if (!verifyInclusion(head, bytes(leaf), receipt.proof.map(bytes))) {
    return bad(`the proof does not lead from the record to the signed root of ${signed.size} records`);
  }
  if (receipt.canonical === undefined) {
    const where = receipt.archive?.name ?? 'an archive';
    return unchecked(`the hash is in the signed log; the record that has it is in ${where}`);
  }
  return {
    ...{ verdict: 'good', log, index, size: signed.size, root },
    signedBy: `${signer.name}+${signer.hash}`,
    witnesses: witnessesOf(opened),
  };
}

const NOTE_FAULTS = {
  malformed: 'the checkpoint is no signed note',
  bad_signature: 'a signature under the checkpoint is not its key’s',
};

function strangers(): Verdict {
  return unchecked('the checkpoint is signed by none of the gateway’s keys that were given');
}

/** What is wrong with the record itself. */
function contentFault({ log, index, leaf, canonical: text }: Receipt): string | undefined {
  if (text === undefined) return undefined;
  if (Buffer.from(hashLeaf(Buffer.from(text))).toString('hex') !== leaf) {
    return 'the record’s text does not have the leaf hash that is proven';
  }
  let record: { readonly [member: string]: Json };
  try {
    record = JSON.parse(text) as typeof record;
    if (canonical(record) !== text) return 'the record’s text is not canonical JSON';
  } catch {
    return 'the record’s text is not JSON';
  }
  return record?.log === log && record.index === index ? undefined : 'the record says that it is elsewhere';
}

function witnessesOf({ by }: Extract<OpenedNote, { ok: true }>): { name: string; at: string }[] {
  return by.flatMap(({ key, seconds }) =>
    key.type === 'cosignature' && seconds !== undefined && seconds <= MAX_SECONDS
      ? [{ name: key.name, at: new Date(seconds * 1000).toISOString() }]
      : [],
  );
}

/** The end of what a Date holds. */
const MAX_SECONDS = 8.64e12;

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** A receipt from its text; `undefined` when it is none. */
export function readReceipt(text: string): Receipt | undefined {
  let value: Partial<Receipt> | null;
  try {
    value = JSON.parse(text) as Partial<Receipt> | null;
  } catch {
    return undefined;
  }
  const { log, index, leaf, canonical: record, archive, proof, checkpoint } = value ?? {};
  const { size, root, note } = checkpoint ?? {};
  const whole =
    [log, record === undefined ? archive?.name : record, note].every((each) => typeof each === 'string') &&
    [index, size].every(isCount) &&
    [leaf, root].every(isHash) &&
    Array.isArray(proof) &&
    proof.every(isHash);
  return whole ? (value as Receipt) : undefined;
}
