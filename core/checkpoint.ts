import { isBase64 } from './base64.ts';
import { HASH_BYTES, type TreeHead } from './merkle.ts';

/**
 * The text of a checkpoint (C2SP tlog-checkpoint): the log's origin, its size, its root, and lines that extensions
 * may add. It is the text of a signed note.
 */
export interface Checkpoint extends TreeHead {
  readonly origin: string;
  readonly extensions: readonly string[];
}

/** The reason of the event that a witness's accepted signature is recorded with. */
export const COSIGNED = 'cosignature_accepted';

/** The length of 32 bytes in base64. */
const ROOT_CHARACTERS = 44;

/**
 * The origin of a log: the gateway's origin, a slash and the log's name. It names the log to the world, so a
 * gateway's origin never changes and is nobody else's.
 */
export function originOf(gateway: string, log: string): string {
  return `${gateway}/${log}`;
}

/** @throws RangeError when a part has no place in a checkpoint. */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const text = `${[origin, String(size), Buffer.from(root).toString('base64'), ...extensions].join('\n')}\n`;
  if (parseCheckpoint(text) === undefined) throw new RangeError('not a checkpoint');
  return text;
}

/** Reads the text of a checkpoint; `undefined` when it is none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  if (!text.endsWith('\n')) return undefined;
  const [origin, size, root, ...extensions] = text.slice(0, -1).split('\n');
  if (origin === undefined || origin === '' || size === undefined || root === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  if (root.length !== ROOT_CHARACTERS || !isBase64(root) || extensions.includes('')) return undefined;
  const bytes = new Uint8Array(Buffer.from(root, 'base64'));
  if (bytes.length !== HASH_BYTES) return undefined;
  return { origin, size: Number(size), root: bytes, extensions };
}
