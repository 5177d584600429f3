import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isBase64 } from './base64.ts';

/**
 * Signed notes as C2SP signed-note has them: a text, an empty line, and a line per signature, which names its key
 * and begins with the key's hash. Two kinds of keys are known: Ed25519 over the text (0x01), and the cosignature/v1
 * of a witness, Ed25519 over the text behind the time of signing (0x04).
 */

export type KeyType = 'ed25519' | 'cosignature';

const TYPE_BYTES: { readonly [K in KeyType]: number } = { ed25519: 1, cosignature: 4 };

/** A key that signatures are checked with. */
export interface VerifierKey {
  readonly name: string;
  /** The first four bytes of SHA-256 over name, newline, type and key; hex. */
  readonly hash: string;
  readonly type: KeyType;
  /** The raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A key that signs texts. */
export interface SignerKey {
  readonly verifier: VerifierKey;
  /** The Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  /** Hex, as in `VerifierKey`. */
  readonly hash: string;
  /** What follows the key's hash. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** The signed text; it ends with a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const KEY_BYTES = 32;
const HASH_BYTES = 4;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
const MAX_SIGNATURES = 100;

/** No white space, and no `+`, which ends a name inside an encoded key. U+0085 is white space, too, but not to JavaScript. */
const NAME = /^[^\s\u0085+]+$/u;

/** Whether a key may be called this. */
export function isKeyName(name: string): boolean {
  return NAME.test(name) && name.isWellFormed();
}

/** A verifier key from its parts. @throws RangeError when a part is malformed. */
export function verifierKey(name: string, type: KeyType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name) || publicKey.length !== KEY_BYTES) throw new RangeError('not a verifier key');
  return { name, type, publicKey, hash: keyHash(name, type, publicKey) };
}

function keyHash(name: string, type: KeyType, publicKey: Uint8Array): string {
  const typed = Buffer.from([TYPE_BYTES[type], ...publicKey]);
  return createHash('sha256')
    .update(`${name}\n`)
    .update(typed)
    .digest('hex')
    .slice(0, 2 * HASH_BYTES);
}

/** `<name>+<hash>+<base64 of type and key>`, as auditors are given it. */
export function formatVerifierKey({ name, hash, type, publicKey }: VerifierKey): string {
  return `${name}+${hash}+${Buffer.from([TYPE_BYTES[type], ...publicKey]).toString('base64')}`;
}

/** Reads an encoded verifier key; `undefined` when it is none, or its hash is another key's. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [, name, hash, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const typed = readTyped(name, encoded);
  if (name === undefined || typed === undefined) return undefined;
  const key = verifierKey(name, typed.type, typed.key);
  return key.hash === hash ? key : undefined;
}

function readTyped(
  name: string | undefined,
  encoded: string | undefined,
): { readonly type: KeyType; readonly key: Uint8Array } | undefined {
  if (name === undefined || encoded === undefined || !isKeyName(name) || !isBase64(encoded)) return undefined;
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64'));
  const type = (Object.keys(TYPE_BYTES) as KeyType[]).find((known) => TYPE_BYTES[known] === bytes[0]);
  if (type === undefined || bytes.length !== 1 + KEY_BYTES) return undefined;
  return { type, key: bytes.slice(1) };
}

const SIGNER_PREFIX = 'PRIVATE+KEY+';

/** A signer key from its seed of 32 bytes. @throws RangeError when a part is malformed. */
export function signerKey(name: string, seed: Uint8Array): SignerKey {
  if (seed.length !== KEY_BYTES) throw new RangeError('not a seed');
  const { x } = createPublicKey(privateKey(seed)).export({ format: 'jwk' });
  return { seed, verifier: verifierKey(name, 'ed25519', new Uint8Array(Buffer.from(x!, 'base64url'))) };
}

/** `PRIVATE+KEY+<name>+<hash>+<base64 of type and seed>`, the form that Go's note package reads, too. */
export function formatSignerKey({ seed, verifier: { name, hash, type } }: SignerKey): string {
  return `${SIGNER_PREFIX}${name}+${hash}+${Buffer.from([TYPE_BYTES[type], ...seed]).toString('base64')}`;
}

/** Reads an encoded signer key; `undefined` when it is none, or its hash does not fit. */
export function parseSignerKey(text: string): SignerKey | undefined {
  if (!text.startsWith(SIGNER_PREFIX)) return undefined;
  const rest = text.slice(SIGNER_PREFIX.length);
  const [, name, hash, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(rest) ?? [];
  const typed = readTyped(name, encoded);
  if (name === undefined || typed?.type !== 'ed25519') return undefined;
  const key = signerKey(name, typed.key);
  return key.verifier.hash === hash ? key : undefined;
}

/** PKCS #8 of an Ed25519 private key, up to the seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

function privateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

/** SubjectPublicKeyInfo of an Ed25519 public key, up to the key (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function publicKeyOf({ publicKey }: VerifierKey): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
}

/**
 * Signs a text.
 * @throws RangeError when it cannot be a note's: it ends with a newline and has no other control characters.
 */
export function signNote(text: string, { seed, verifier: { name, hash } }: SignerKey): NoteSignature {
  if (!isNoteText(text)) throw new RangeError('not the text of a note');
  return { name, hash, signature: new Uint8Array(sign(null, Buffer.from(text), privateKey(seed))) };
}

/** A cosignature/v1 of a text at a time in whole seconds. @throws RangeError */
export function cosignNote(text: string, name: string, seed: Uint8Array, seconds: number): NoteSignature {
  if (!isNoteText(text)) throw new RangeError('not the text of a note');
  const { hash } = verifierKey(name, 'cosignature', signerKey(name, seed).verifier.publicKey);
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(seconds));
  const signature = sign(null, cosigned(text, BigInt(seconds)), privateKey(seed));
  return { name, hash, signature: new Uint8Array(Buffer.concat([time, signature])) };
}

function cosigned(text: string, seconds: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

export type Verified =
  | { readonly ok: false }
  /** `seconds`: when a cosignature says that it was made, since 1970. */
  | { readonly ok: true; readonly seconds?: number };

/** Whether a signature line is the key's, over this text. */
export function verifySignature(text: string, line: NoteSignature, key: VerifierKey): Verified {
  if (line.name !== key.name || line.hash !== key.hash) return { ok: false };
  const { signature } = line;
  if (key.type === 'ed25519') {
    return { ok: signature.length === SIGNATURE_BYTES && holds(Buffer.from(text), signature, key) };
  }
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return { ok: false };
  const time = Buffer.from(signature).readBigUInt64BE();
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return { ok: false };
  const ok = holds(cosigned(text, time), signature.subarray(TIME_BYTES), key);
  return ok ? { ok, seconds: Number(time) } : { ok };
}

function holds(message: Buffer, signature: Uint8Array, key: VerifierKey): boolean {
  try {
    return verify(null, message, publicKeyOf(key), signature);
  } catch {
    return false; // bytes that are no point of the curve
  }
}

/** The signed lines of a note that one of the keys made. A known key whose signature is wrong spoils the note. */
export type OpenedNote =
  | { readonly ok: true; readonly text: string; readonly by: readonly SignedBy[] }
  | { readonly ok: false; readonly reason: 'malformed' | 'bad_signature' | 'no_known_key' };

export interface SignedBy {
  readonly key: VerifierKey;
  readonly line: NoteSignature;
  readonly seconds?: number;
}

/**
 * Reads a note and checks every signature whose key is known. Signatures by other keys are left out, because
 * anybody may add one; a key counts once.
 */
export function openNote(encoded: string, keys: readonly VerifierKey[]): OpenedNote {
  const note = parseNote(encoded);
  if (note === undefined) return { ok: false, reason: 'malformed' };
  const by = new Map<VerifierKey, SignedBy>();
  for (const line of note.signatures) {
    const key = keys.find(({ name, hash }) => name === line.name && hash === line.hash);
    if (key === undefined || by.has(key)) continue;
    const verified = verifySignature(note.text, line, key);
    if (!verified.ok) return { ok: false, reason: 'bad_signature' };
    const { seconds } = verified;
    by.set(key, { key, line, ...(seconds === undefined ? {} : { seconds }) });
  }
  if (by.size === 0) return { ok: false, reason: 'no_known_key' };
  return { ok: true, text: note.text, by: [...by.values()] };
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && !hasControls(text) && text.isWellFormed();
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 && text[i] !== '\n') return true;
  return false;
}

/** The encoded form of a note. */
export function formatNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(formatSignature).join('')}`;
}

/** A signature line, with its newline. */
export function formatSignature({ name, hash, signature }: NoteSignature): string {
  const bytes = Buffer.concat([Buffer.from(hash, 'hex'), signature]);
  return `\u2014 ${name} ${bytes.toString('base64')}\n`;
}

/** Reads an encoded note without checking a signature; `undefined` when it is none. */
export function parseNote(encoded: string): Note | undefined {
  const end = encoded.lastIndexOf('\n\n');
  if (end < 0) return undefined;
  const text = encoded.slice(0, end + 1);
  const block = encoded.slice(end + 2);
  if (!isNoteText(text) || block === '' || !block.endsWith('\n')) return undefined;
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = parseSignature(line);
    if (signature === undefined) return undefined;
    signatures.push(signature);
  }
  return { text, signatures };
}

/** Reads a signature line without its newline. */
export function parseSignature(line: string): NoteSignature | undefined {
  const [, name, encoded] = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name) || !isBase64(encoded)) return undefined;
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64'));
  if (bytes.length <= HASH_BYTES) return undefined;
  const hash = Buffer.from(bytes.subarray(0, HASH_BYTES)).toString('hex');
  return { name, hash, signature: bytes.slice(HASH_BYTES) };
}
