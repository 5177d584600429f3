import { canonical, type Json } from '../../../core/canonical.ts';
import { formatCheckpoint, originOf } from '../../../core/checkpoint.ts';
import { Frontier, rootOf, sameHash } from '../../../core/merkle.ts';
import { parseNote } from '../../../core/note.ts';
import { type AuditRecord, leafHash, type RecordMembers } from '../../../core/record.ts';
import { TILE_WIDTH } from '../../../core/tiles.ts';
import type { Sql } from '../../storage/sql.ts';
import { AuditMachine } from '../machine.ts';
import { leafAt, packedLeaves, treeSize, treeSource } from '../tree.ts';
import type { World } from './world.ts';

/** What the log is, from the object and the database together. */
interface Whole {
  readonly log: string;
  readonly leaves: readonly string[];
  readonly texts: readonly string[];
  readonly records: readonly AuditRecord[];
}

/**
 * Verifies a log from scratch: its storage, the database and what callers were told against each other. Sound at
 * every moment, whatever failed just now. @throws Error that says what is wrong.
 */
export function checkLog(world: World): void {
  const whole = checkStorage(world);
  checkTold(world, whole);
  checkIntents(world, whole);
  checkCounts(world, whole);
  checkDuties(world);
  checkCheckpoints(world, whole);
}

/** Each size was signed once at most, in order, and says what the log was; none of more than the database holds. */
function checkCheckpoints(
  { sink, machine, settings, signed: told }: World,
  { log, leaves, records }: Whole,
): void {
  const signed = sink.signed(log);
  const changes = records.filter(({ reasons }) => reasons.includes('signing_key_changed'));
  changes.forEach(({ detail }, i) => {
    must(detail!.from !== detail!.to, 'a key was changed for itself');
    must(i === 0 || detail!.from === changes[i - 1]!.detail!.to, 'a change of keys is missing');
  });
  const frontier = new Frontier();
  for (const { size, root, note } of signed) {
    must(size > frontier.size, `a checkpoint of ${size} came late`);
    for (const leaf of leaves.slice(frontier.size, size)) {
      frontier.append(new Uint8Array(Buffer.from(leaf, 'hex')));
    }
    const text = formatCheckpoint({
      origin: originOf(settings.origin, log),
      size,
      root: frontier.root,
      extensions: [],
    });
    must(parseNote(note)?.text === text, `the checkpoint of ${size} says something else`);
    const change = changes.findLast(({ index }) => index < size);
    const first = changes[0]?.detail?.from ?? keyOf(signed[0]!.note);
    const key = change === undefined ? first : change.detail?.to;
    must(keyOf(note) === key, `the checkpoint of ${size} is by another key than the log says`);
    must(root === Buffer.from(frontier.root).toString('hex'), `the root of ${size} is another`);
    must(size <= sink.rows(log).length, `a checkpoint of ${size} covers more than the database holds`);
  }
  told.forEach(({ size, note }, i) => {
    const before = told[i - 1];
    must(before === undefined || before.size <= size, 'a smaller checkpoint was handed out');
    must(before?.size !== size || before.note === note, `two checkpoints of ${size} were handed out`);
  });
  const own = machine.checkpoint;
  const last = signed.at(-1)?.size ?? 0;
  // What the database lost it is given again.
  must(
    own === undefined || own.size > last || signed.some(({ note }) => note === own.note),
    'a checkpoint is nowhere',
  );
}

type HeldRow = { idx: number; time: number; size: number; text: string };

function checkStorage({ store, sink, machine, settings }: World): Whole {
  const { state, log } = machine;
  const read = new AuditMachine(store, settings, state).state;
  must(JSON.stringify(read) === JSON.stringify(state), 'the object’s state is not what is stored');
  const leaves = checkTree(store, state);
  const held = store.exec<HeldRow>('SELECT idx, time, size, text FROM record ORDER BY idx');
  const gone = state.size - held.length;
  must(gone <= state.flushed, 'a record left before the database had it');
  held.forEach(({ idx }, i) => {
    must(idx === gone + i, `record ${gone + i} is missing`);
  });

  const stored = sink.rows(log);
  const texts = leaves.map((leaf, i) => {
    const here = held[i - gone];
    const there = stored[i];
    const forked = state.fork !== null;
    if (here) must(leafOf(here.text) === leaf, `record ${i} is not what its leaf says`);
    if (there) {
      must(leafOf(there.text) === there.leaf, `the database's record ${i} is not what its leaf says`);
      must(there.leaf === leaf || forked || i >= state.flushed, `the database has another record ${i}`);
    }
    must(here !== undefined || there?.leaf === leaf || forked, `record ${i} is nowhere`);
    return (here ?? there)!.text;
  });
  const records = texts.map((text) => JSON.parse(text) as AuditRecord);
  records.forEach((record, i) => {
    must(canonical(record as unknown as Json) === texts[i], `record ${i} is not canonical`);
    must(record.log === log && record.index === i, `record ${i} says that it is elsewhere`);
    must(Number.isInteger(record.time), `the time of record ${i} is no integer`);
    must(i === 0 || records[i - 1]!.time <= record.time, `time falls at record ${i}`);
  });
  held.forEach(({ idx, time, size, text }) => {
    must(
      records[idx]!.time === time && Buffer.byteLength(text) === size,
      `row ${idx} misdescribes its record`,
    );
  });
  must(state.lastTime === (records.at(-1)?.time ?? 0), 'the last time is not the last record’s');
  const bytes = (from: number, to: number) =>
    held.reduce((sum, { idx, size }) => (idx >= from && idx < to ? sum + size : sum), 0);
  must(state.unflushedBytes === bytes(state.flushed, state.size), 'the unflushed bytes are miscounted');
  must(state.heldBytes === bytes(0, state.flushed), 'the held bytes are miscounted');
  return { log, leaves, texts, records };
}

/** The hash of the key that signed a note. */
function keyOf(note: string): string | undefined {
  return parseNote(note)?.signatures[0]?.hash;
}

/** The leaves, from tiles and rows, and that the tree over them is the one that the leaves make. */
function checkTree(store: Sql, { epoch, size }: { readonly epoch: number; readonly size: number }): string[] {
  must(treeSize(store, epoch) === size, 'the head is not the number of leaves');
  const frontier = new Frontier();
  const leaves = Array.from({ length: size }, (_, i) => {
    const leaf = leafAt(store, epoch, i);
    must(leaf !== undefined, `leaf ${i} is missing`);
    frontier.append(new Uint8Array(Buffer.from(leaf!, 'hex')));
    return leaf!;
  });
  if (size - packedLeaves(store, epoch) < TILE_WIDTH) {
    must(sameHash(rootOf(size, treeSource(store, epoch)), frontier.root), 'the tiles are another tree');
  }
  return leaves;
}

/** Invariant 5: each place that a caller was told is taken, with that hash, by what it sent. */
function checkTold({ sent }: World, { log, leaves, texts, records }: Whole): void {
  const named = new Map<number, number>();
  for (const [key, { entry, told }] of sent) {
    if (!told) continue;
    must(told.log === log, `${key} is in another log`);
    must(leaves[told.index] === told.leaf, `${key} was told another leaf`);
    must(leafOf(texts[told.index]!) === told.leaf, `${key} is not what it was told`);
    if (entry.coalesce) continue;
    named.set(told.index, (named.get(told.index) ?? 0) + 1);
    const record = withoutPlace(records[told.index]!);
    const { phase, intent } = record;
    const closes = entry.members.phase === 'outcome' && intent !== undefined;
    const expected = closes ? { ...entry.members, phase, intent } : entry.members;
    must(canonical(record as never) === canonical(expected as never), `${key} is stored as something else`);
  }
  must(
    [...named.values()].every((times) => times === 1),
    'one record stands for two requests',
  );
  // Whatever the object did not write by itself is in the log once, told or not.
  const written = records.filter(
    ({ phase, reasons, count }) => phase !== 'event' && count === undefined && !reasons.includes('orphaned'),
  );
  const once = new Set(written.map(({ request_id, phase }) => `${request_id}:${phase}`));
  must(once.size === written.length, 'a request was stored twice');
  // Per key: a request's intent and its outcome may each have been sent as two things.
  const events = records
    .filter(({ phase }) => phase === 'event')
    .map(({ request_id, detail }) => `${request_id} ${detail?.index}`);
  must(new Set(events).size === events.length, 'a conflict was reported twice');
}

function checkIntents({ store, machine }: World, { log, records }: Whole): void {
  const open = store.exec<{ request_id: string; orphaned: number; idx: number }>('SELECT * FROM intent');
  const waiting = new Set(open.filter(({ orphaned }) => orphaned === 0).map(({ idx }) => idx));
  must(machine.state.openIntents === waiting.size, 'the open intents are miscounted');
  const closing = (index: number, wanted: string) =>
    records.filter(({ phase, intent }) => phase === wanted && intent?.log === log && intent.index === index);
  for (const { phase, index, request_id } of records) {
    if (phase !== 'intent') continue;
    const outcomes = closing(index, 'outcome');
    const corrections = closing(index, 'correction');
    must(outcomes.length === (waiting.has(index) ? 0 : 1), `intent ${index} has ${outcomes.length} outcomes`);
    must(corrections.length <= 1, `intent ${index} was corrected twice`);
    for (const record of [...outcomes, ...corrections]) {
      must(
        record.request_id === request_id && record.index > index,
        `intent ${index} is closed by a stranger`,
      );
    }
    const unknown = outcomes[0]?.outcome?.result === 'unknown';
    must(corrections.length === 0 || unknown, `intent ${index} was corrected though it was known`);
  }
}

/** Coalesced: records and their counts are as many as the requests that were answered. */
function checkCounts({ sent, store }: World, { records }: Whole): void {
  const coalesced = [...sent.values()].filter(({ entry }) => entry.coalesce);
  const answered = coalesced.filter(({ told }) => told).length;
  const counted = records
    .filter(({ decision, reasons }) => decision === 'rate_limited' && !reasons.includes('key_conflict'))
    .reduce((sum, { count = 1 }) => sum + count, 0);
  const [{ raised }] = store.exec<{ raised: number }>(
    'SELECT coalesce(sum(count), 0) AS raised FROM counter',
  ) as [{ raised: number }];
  const total = counted + raised;
  must(answered <= total && total <= coalesced.length, `${total} counted, ${answered} were answered`);
}

/** Whatever will fall due has an alarm, and no later than then. */
function checkDuties({ store, machine }: World): void {
  if (machine.state.fork !== null) return;
  const [{ due }] = store.exec<{ due: number | null }>(
    `SELECT min(due) AS due FROM (SELECT due FROM intent WHERE orphaned = 0
     UNION ALL SELECT window_end FROM counter)`,
  ) as [{ due: number | null }];
  const next = machine.nextDuty();
  must(due === null || (next !== undefined && next <= due), 'a duty would be slept through');
}

function withoutPlace({ log: _log, index: _index, time: _time, ...members }: AuditRecord): RecordMembers {
  return members;
}

function leafOf(text: string): string {
  return leafHash(Buffer.from(text, 'utf8'));
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
