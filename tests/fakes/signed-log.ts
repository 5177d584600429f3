import { formatCheckpoint, originOf } from '../../core/checkpoint.ts';
import { Frontier, hashLeaf } from '../../core/merkle.ts';
import { parseLogName } from '../../core/names.ts';
import {
  cosignNote,
  formatNote,
  formatSignature,
  type SignerKey,
  signerKey,
  signNote,
  type VerifierKey,
  verifierKey,
} from '../../core/note.ts';
import { type RecordMembers, seal } from '../../core/record.ts';
import type { Section } from '../../scripts/lib/verify/sections.ts';
import { writeBundle } from '../../scripts/lib/verify/write.ts';

/** A log as it lies in the database: texts in order, and what was signed of them. */
export interface SignedLog {
  readonly log: string;
  readonly texts: readonly string[];
  readonly checkpoints: readonly SignedSize[];
}

export interface SignedSize {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  /** The witness's line; empty where it did not sign. */
  readonly lines: string;
}

export const GATEWAY = 'audit.example.com';
export const SIGNER: SignerKey = signerKey(GATEWAY, new Uint8Array(32).fill(3));

const WITNESS_NAME = 'witness.example.net';
const WITNESS_SEED = new Uint8Array(32).fill(4);
export const WITNESS: VerifierKey = verifierKey(
  WITNESS_NAME,
  'cosignature',
  signerKey(WITNESS_NAME, WITNESS_SEED).verifier.publicKey,
);

export interface LogOptions {
  readonly log: string;
  readonly records: number;
  /** A checkpoint after so many records each. */
  readonly every: number;
  readonly signer?: SignerKey;
  /** Sizes that the witness signed. */
  readonly witnessed?: readonly number[];
  /** Of the first record; and how much later each next one is. */
  readonly time?: number;
  readonly stepMs?: number;
  /** In place of what is made up. */
  readonly members?: (index: number) => Partial<RecordMembers> | undefined;
}

/** A log of reads and, every fifth time, an intent with its outcome. */
export function signedLog({
  log,
  records,
  time = 1_790_000_000_000,
  stepMs = 3,
  ...options
}: LogOptions): SignedLog {
  const name = parseLogName(log)!;
  const texts: string[] = [];
  for (let index = 0; index < records; index++) {
    const members = { ...made(log, index), tenant: name.tenant, ...options.members?.(index) };
    texts.push(seal(members, name, index, time + index * stepMs).text);
  }
  return signTexts(log, texts, options);
}

/** Signs texts as they are: whoever has the key can. */
export function signTexts(
  log: string,
  texts: readonly string[],
  { every, signer = SIGNER, witnessed = [] }: Pick<LogOptions, 'every' | 'signer' | 'witnessed'>,
): SignedLog {
  const checkpoints: SignedSize[] = [];
  const tree = new Frontier();
  for (const text of texts) {
    tree.append(hashLeaf(Buffer.from(text)));
    if (tree.size % every === 0) checkpoints.push(signSize(log, tree, signer, witnessed.includes(tree.size)));
  }
  return { log, texts, checkpoints };
}

export function signSize(log: string, tree: Frontier, signer: SignerKey, witnessed = false): SignedSize {
  const { size, root } = tree;
  const origin = originOf(signer.verifier.name, log);
  const text = formatCheckpoint({ origin, size, root, extensions: [] });
  const note = formatNote({ text, signatures: [signNote(text, signer)] });
  const line = cosignNote(text, WITNESS_NAME, WITNESS_SEED, 1_790_000_000 + size);
  return { size, root, note, lines: witnessed ? formatSignature(line) : '' };
}

function made(log: string, index: number): Omit<RecordMembers, 'tenant'> {
  const at = index % 5;
  const write = at === 3 || at === 4;
  return {
    v: 1,
    phase: at === 3 ? 'intent' : 'outcome',
    request_id: `0190a5c1-7b1e-7c3a-9f00-${String(at === 4 ? index - 1 : index).padStart(12, '0')}-${log}`,
    actor: { issuer: 'https://id.example.com/realms/one', sub: `user-${index % 1000}` },
    roles: [write ? 'agent-writer' : 'agent-reader'],
    action: write ? 'write' : 'read',
    operation: write ? 'oss.memories.update' : 'oss.memories.search',
    dialect: 'oss',
    resource: { ids: [`k1.c2hhcmVkLWtleS1vZi1ub2JvZHktaW4tcGFydGljdWxhcg${index % 97}`] },
    decision: 'allow',
    reasons: [write ? 'role_agent_writer' : 'role_agent_reader'],
    ...(at === 3
      ? {}
      : { outcome: { result: 'success', status: 200, upstream_status: 200, latency_ms: index % 89 } }),
    ...(at === 4 ? { intent: { log, index: index - 1 } } : {}),
    session: `session-${index % 5000}`,
    policy: 'a7'.repeat(32),
    input: 'b3'.repeat(32),
  };
}

/** The sections of logs as a source gives them: each checkpoint behind what it covers. */
export function sectionsOf(tenant: string, logs: readonly SignedLog[]): Section[] {
  const sections: Section[] = [{ kind: 'tenant', tenant }];
  for (const { log, texts, checkpoints } of logs) {
    sections.push({ kind: 'log', log, start: 0, end: texts.length, frontier: [] });
    const sizes = [...new Set([...checkpoints.map(({ size }) => size), texts.length])].sort((a, b) => a - b);
    let first = 0;
    for (const size of sizes) {
      const leaves = texts.slice(first, size).map((text) => Buffer.from(text));
      if (leaves.length > 0) sections.push({ kind: 'leaves', first, leaves });
      first = size;
      for (const { note, lines } of checkpoints.filter((each) => each.size === size)) {
        sections.push({ kind: 'checkpoint', size, note: note + lines });
      }
    }
  }
  return [...sections, { kind: 'end', logs: logs.length }];
}

/** The same as a bundle. */
export async function bundleOf(tenant: string, logs: readonly SignedLog[]): Promise<string> {
  let text = '';
  async function* all() {
    yield sectionsOf(tenant, logs);
  }
  const written = writeBundle(all(), [SIGNER.verifier], async (part) => {
    text += part;
  });
  for await (const _ of written);
  return text;
}
