import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type pg from 'pg';
import { Frontier, hashLeaf } from '../../../core/merkle.ts';
import type { VerifierKey } from '../../../core/note.ts';
import { hashesOf } from '../../../core/tiles.ts';
import { CommandError } from '../command.ts';
import { streamRows } from '../database.ts';
import { writeNewFile } from '../new-file.ts';
import { LEAVES_A_SECTION, readBundle } from '../verify/bundle.ts';
import { GrownTree } from '../verify/grown-tree.ts';
import { reportLines } from '../verify/report.ts';
import { Gathering, type Section } from '../verify/sections.ts';
import { verify } from '../verify/verify.ts';
import { writeBundle } from '../verify/write.ts';
import type { Part } from './plan.ts';

/** What a tenant's archive of a month came to. */
export interface Archive {
  readonly file: string;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
  readonly records: number;
  readonly parts: readonly ArchivedPart[];
}

interface ArchivedPart extends Part {
  /** The edge of the tree of `past` records. */
  readonly frontier: readonly Uint8Array[];
}

const RECORDS = `select r.index, convert_to(r.canonical, 'UTF8') as bytes, null::text as sqlstate
    from audit.record r where r.log = $1 and r.index >= $2 and r.index < $3
  union all
  select q.index, q.bytes, q.sqlstate from audit.quarantined q
    where q.log = $1 and q.index >= $2 and q.index < $3
  order by index`;

const CHECKPOINTS = `select k.size, k.note, coalesce((select string_agg(c.line, '' order by c.witness, c.key_hash)
      from audit.cosignature c where c.log = k.log and c.size = k.size), '') as lines
  from audit.checkpoint k where k.log = $1 and k.size > $2 and k.size <= $3 order by k.size`;

const LEAVES = 'select s.leaf from audit.stored_leaves($1, $2, $3) s order by s.index';

const EDGE = 'select a.frontier from audit.archive a where a.log = $1 and a.past = $2';

type RecordRow = { readonly index: string; readonly bytes: Buffer; readonly sqlstate: string | null };
type CheckpointRow = { readonly size: string; readonly note: string; readonly lines: string };

/**
 * Writes a tenant's records of a month to a new file, a bundle: per log the edge of the tree at both ends and a checkpoint
 * beyond, so that it verifies by itself. Then reads the file again and verifies it.
 * @param client the owner's, in no transaction.
 * @throws CommandError when the file exists, or does not verify.
 */
export async function writeArchive(
  client: pg.Client,
  file: string,
  parts: readonly Part[],
  keys: readonly VerifierKey[],
): Promise<Archive> {
  const edges = new Map<string, readonly Uint8Array[]>();
  await client.query('begin isolation level repeatable read read only');
  try {
    await writeNewFile(file, async (write) => {
      for await (const _ of writeBundle(archiveSections(client, parts, edges), keys, write));
    });
  } finally {
    await client.query('rollback');
  }
  try {
    await verifyArchive(file, keys);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return {
    ...{ file, sha256: await digestOf(file) },
    records: parts.reduce((sum, { first, past }) => sum + past - first, 0),
    parts: parts.map((part) => ({ ...part, frontier: edges.get(part.log)! })),
  };
}

/** Hex SHA-256 of a file. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** What is taken out of the database must be shown to be right by what was written, and by nothing else. */
async function verifyArchive(file: string, keys: readonly VerifierKey[]): Promise<void> {
  const source = { name: file, current: false, sections: () => readBundle(createReadStream(file)) };
  const report = await verify({ sources: [source], keys, heads: [] });
  const uncovered = report.logs.find(({ covered, end }) => covered < end);
  // What is before it is elsewhere, and a head from outside is for those who verify the whole log.
  const doubts = report.unchecked.filter(({ kind }) => kind === 'signature' || kind === 'source');
  if (report.verdict === 'tampering' || doubts.length > 0) {
    throw new CommandError(
      `${file} does not verify, and nothing was taken out: ${reportLines(report).at(-1)}.`,
    );
  }
  if (uncovered) {
    throw new CommandError(`${file}: no checkpoint by a key that was given covers all of ${uncovered.log}.`);
  }
}

async function* archiveSections(
  client: pg.Client,
  parts: readonly Part[],
  edges: Map<string, readonly Uint8Array[]>,
): AsyncGenerator<readonly Section[], void> {
  yield [{ kind: 'tenant', tenant: parts[0]!.tenant }];
  for (const part of parts) yield* partSections(client, part, edges);
  yield [{ kind: 'end', logs: parts.length }];
}

async function* partSections(
  client: pg.Client,
  { log, first, past, checkpoint }: Part,
  edges: Map<string, readonly Uint8Array[]>,
): AsyncGenerator<readonly Section[], void> {
  const begin = first === 0 ? [] : await edgeAt(client, log, first);
  yield [{ kind: 'log', log, start: first, end: past, frontier: begin }];
  const tree = new Frontier(first, begin);
  const grown = new GrownTree(tree);
  const gathering = new Gathering();
  const notes = (await client.query<CheckpointRow>(CHECKPOINTS, [log, first, past])).rows;
  for await (const rows of streamRows<RecordRow>(client, RECORDS, [log, first, past], LEAVES_A_SECTION)) {
    for (const { index, bytes, sqlstate } of rows) {
      const leaf = hashLeaf(bytes);
      tree.append(leaf);
      grown.append(leaf);
      gathering.leaf(Number(index), bytes);
      if (sqlstate !== null) gathering.add({ kind: 'quarantined', index: Number(index), sqlstate });
      if (Number(notes[0]?.size) === Number(index) + 1) gathering.add(checkpointOf(notes.shift()!));
    }
    yield gathering.take();
  }
  edges.set(log, tree.hashes);
  yield [{ kind: 'frontier', size: past, hashes: tree.hashes }];
  if (checkpoint === null || checkpoint === past) return;
  grown.prove();
  for await (const rows of streamRows<{ leaf: Buffer }>(
    client,
    LEAVES,
    [log, past, checkpoint],
    LEAVES_A_SECTION,
  )) {
    for (const { leaf } of rows) grown.append(new Uint8Array(leaf));
  }
  const beyond = (await client.query<CheckpointRow>(CHECKPOINTS, [log, checkpoint - 1, checkpoint])).rows[0]!;
  yield [checkpointOf(beyond), { kind: 'consistency', from: past, to: checkpoint, proof: grown.prove() }];
}

/** The edge of the tree that the archive before this one ends with. @throws CommandError when it is not known. */
async function edgeAt(client: pg.Client, log: string, size: number): Promise<Uint8Array[]> {
  const { rows } = await client.query<{ frontier: Buffer }>(EDGE, [log, size]);
  if (rows[0] === undefined) throw new CommandError(`Nothing says what is archived of ${log} below ${size}.`);
  return hashesOf(new Uint8Array(rows[0].frontier));
}

function checkpointOf({ size, note, lines }: CheckpointRow): Section {
  return { kind: 'checkpoint', size: Number(size), note: note + lines };
}
