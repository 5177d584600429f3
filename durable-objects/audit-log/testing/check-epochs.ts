import { canonical, type Json } from '../../../core/canonical.ts';
import { Frontier, rootOf } from '../../../core/merkle.ts';
import { logName, parseLogName } from '../../../core/names.ts';
import { type AuditRecord, beforeFork, leafHash, type Place } from '../../../core/record.ts';
import { leafAt, treeSize, treeSource } from '../tree.ts';
import { TENANT } from './entries.ts';
import type { World } from './world.ts';

/** What a caller was told of a record. */
export interface Told extends Place {
  readonly leaf: string;
}

/**
 * Verifies every epoch of a log from scratch, from the database and what the object has not sent yet, and that each
 * record that was told is there exactly once: in its place, or rebuilt from one whose `was` names it.
 */
export function checkEpochs(world: World, told: readonly Told[]): void {
  const logs = allLogs(world);
  const places = new Map<string, number>();
  const count = (log: string, index: number, leaf: string) => {
    const key = `${log}/${index}/${leaf}`;
    places.set(key, (places.get(key) ?? 0) + 1);
  };
  for (const [log, texts] of logs) {
    let before = 0;
    for (const [index, text] of texts.entries()) {
      const record = JSON.parse(text) as AuditRecord;
      must(record.log === log && record.index === index, `${log}/${index} is out of place`);
      must(record.time >= before, `${log}/${index} is before the one it follows`);
      before = record.time;
      count(log, index, leafOf(text));
      for (let was = beforeFork(record); was; was = beforeFork(was)) {
        count(was.log, was.index, leafOf(canonical(was as unknown as Json)));
      }
    }
  }
  for (const { log, index, leaf } of told) {
    must(places.get(`${log}/${index}/${leaf}`) === 1, `${log}/${index} is not there once`);
  }
  checkTrees(world, logs);
  checkIntents(logs);
}

/** The texts of every epoch: what the database has, and behind it what only the object has. */
export function allLogs({ sink, store, machine }: World): Map<string, readonly string[]> {
  const logs = new Map<string, string[]>();
  for (const [log, rows] of sink.logs)
    logs.set(
      log,
      rows.map(({ text }) => text),
    );
  const own = logs.get(machine.log) ?? [];
  const held = store.exec<{ idx: number; text: string }>(
    'SELECT idx, text FROM record WHERE epoch = ? ORDER BY idx',
    machine.state.epoch,
  );
  for (const { idx, text } of held) if (idx === own.length) own.push(text);
  logs.set(machine.log, own);
  return logs;
}

/** The object has the tree of each epoch, and each fork names the one before it as it is. */
function checkTrees({ store, machine }: World, logs: ReadonlyMap<string, readonly string[]>): void {
  for (const [log, texts] of logs) {
    const { epoch } = parseLogName(log)!;
    for (const [index, text] of texts.entries()) {
      must(leafAt(store, epoch, index) === leafOf(text), `the object has another leaf at ${log}/${index}`);
    }
    const [fork] = texts.map((text) => JSON.parse(text) as AuditRecord).filter(isFork);
    if (epoch > 1) must(fork?.index === 0, `${log} does not begin with its fork`);
    if (!fork) continue;
    const {
      log: closed,
      size: closedSize,
      root,
    } = fork.detail as { log: string; size: number; root: string };
    must(closed === logName({ tenant: TENANT, shard: 0, epoch: epoch - 1 }), 'a fork names another epoch');
    const source = treeSource(store, epoch - 1);
    const known = treeSize(store, epoch - 1);
    // What the database lost while an object knew it, an object that went back since does not know either.
    if (known < closedSize && (logs.get(closed) ?? []).length <= known) continue;
    must(known === closedSize, `the fork of ${log} names another size`);
    must(Buffer.from(rootOf(closedSize, source)).toString('hex') === root, 'the fork names another root');
    const stored = logs.get(closed) ?? [];
    if (stored.length === closedSize) must(rootOfTexts(stored) === root, 'the closed epoch has another root');
    must(stored.length <= closedSize, `${closed} holds more than was closed`);
  }
  must(machine.nextStep() === undefined, 'the recovery is not over');
}

function isFork({ phase, reasons }: AuditRecord): boolean {
  return phase === 'event' && reasons.includes('log_fork');
}

function rootOfTexts(texts: readonly string[]): string {
  const frontier = new Frontier();
  for (const text of texts) frontier.append(new Uint8Array(Buffer.from(leafOf(text), 'hex')));
  return Buffer.from(frontier.root).toString('hex');
}

/**
 * An outcome names its own request's intent, under the place that it has or had. After a fork two records may have
 * had one place; the request tells which is meant.
 */
function checkIntents(logs: ReadonlyMap<string, readonly string[]>): void {
  const records = [...logs.values()].flat().map((text) => JSON.parse(text) as AuditRecord);
  const intents = new Map<string, Set<string>>();
  for (const record of records.filter(({ phase }) => phase === 'intent')) {
    for (let at: AuditRecord | undefined = record; at; at = beforeFork(at)) {
      const place = `${at.log}/${at.index}`;
      intents.set(place, (intents.get(place) ?? new Set()).add(record.request_id));
    }
  }
  for (const { intent, request_id: id } of records) {
    const named = intent && intents.get(`${intent.log}/${intent.index}`);
    must(!named || named.has(id), `the outcome of ${id} names another intent`);
  }
}

/** The leaf hashes that a record had before forks. */
export function leavesBefore(text: string): string[] {
  const leaves: string[] = [];
  for (let was = beforeFork(JSON.parse(text) as AuditRecord); was; was = beforeFork(was)) {
    leaves.push(leafOf(canonical(was as unknown as Json)));
  }
  return leaves;
}

export function leafOf(text: string): string {
  return leafHash(Buffer.from(text, 'utf8'));
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
