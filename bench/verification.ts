import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { formatCheckpoint, originOf } from '../core/checkpoint.ts';
import { Frontier, hashLeaf } from '../core/merkle.ts';
import { formatNote, formatVerifierKey, signerKey, signNote } from '../core/note.ts';
import { seal } from '../core/record.ts';
import { ROOT } from '../local/wrangler/wrangler.ts';
import type { Io } from '../scripts/lib/command.ts';
import type { Section } from '../scripts/lib/verify/sections.ts';
import type { Report } from '../scripts/lib/verify/verify.ts';
import { writeBundle } from '../scripts/lib/verify/write.ts';
import { sampleMembers } from './micro/sample.ts';
import type { Verification } from './parts.ts';
import { TENANT } from './scenarios.ts';
import { residentBytes } from './world/processes.ts';

const NAME = { tenant: TENANT, shard: 0, epoch: 1 };
const LOG = `${TENANT}~0~1`;
const SECTION = 1000;
/** A checkpoint a minute of a log that gets some 150 records a second. */
const CHECKPOINT = 10_000;
const SIGNER = signerKey('gateway.bench', new Uint8Array(32).fill(1));

/**
 * Has `npm run audit:verify` verify a bundle of so many records of reads, from its start to its end.
 * @throws Error when it finds anything but that no head was given from outside.
 */
export async function measureVerification(
  io: Io,
  signal: AbortSignal,
  records: number,
): Promise<Verification> {
  io.note(`The verification of ${records} records`);
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-verify-'));
  try {
    const file = join(dir, 'log.bundle');
    const sink = createWriteStream(file);
    const out = Writable.toWeb(sink).getWriter();
    for await (const _ of writeBundle(sections(records), [SIGNER.verifier], (text) => out.write(text))) {
      signal.throwIfAborted();
    }
    await out.close();
    return { records, ...(await verify(file, records, signal)) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function* sections(records: number): AsyncGenerator<readonly Section[], void> {
  yield [
    { kind: 'tenant', tenant: TENANT },
    { kind: 'log', log: LOG, start: 0, end: records, frontier: [] },
  ];
  const tree = new Frontier();
  const begin = Date.UTC(2026, 0, 15, 12);
  for (let first = 0; first < records; first += SECTION) {
    const leaves: Buffer[] = [];
    for (let index = first; index < Math.min(records, first + SECTION); index++) {
      const { text } = seal(sampleMembers(), NAME, index, begin + index * 7);
      const bytes = Buffer.from(text, 'utf8');
      tree.append(hashLeaf(bytes));
      leaves.push(bytes);
    }
    yield [{ kind: 'leaves', first, leaves }];
    if (tree.size % CHECKPOINT === 0 || tree.size === records) yield [checkpoint(tree)];
  }
  yield [{ kind: 'end', logs: 1 }];
}

function checkpoint({ size, root }: Frontier): Section {
  const origin = originOf(SIGNER.verifier.name, LOG);
  const text = formatCheckpoint({ origin, size, root, extensions: [] });
  return { kind: 'checkpoint', size, note: formatNote({ text, signatures: [signNote(text, SIGNER)] }) };
}

async function verify(
  file: string,
  records: number,
  signal: AbortSignal,
): Promise<{ readonly seconds: number; readonly residentBytes: number }> {
  const begin = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...[join(ROOT, 'scripts', 'run.cjs'), 'audit-verify', '--json'],
      ...['--bundle', file, '--key', formatVerifierKey(SIGNER.verifier)],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let [text, most] = ['', 0];
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const watch = setInterval(() => {
    if (child.exitCode === null && child.pid) most = Math.max(most, residentBytes(child.pid));
  }, 50);
  const broken = () => child.kill('SIGKILL');
  signal.addEventListener('abort', broken);
  await new Promise((resolve) => child.once('close', resolve));
  signal.removeEventListener('abort', broken);
  clearInterval(watch);
  const seconds = (performance.now() - begin) / 1000;
  signal.throwIfAborted();
  const { records: found, first, unchecked } = JSON.parse(text) as Report;
  const sound = found === records && first === null && unchecked.every(({ kind }) => kind === 'head');
  if (!sound) {
    throw new Error(`the verifier found ${text.slice(0, 500)}`);
  }
  return { seconds, residentBytes: most };
}
