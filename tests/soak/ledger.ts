import { canonical, type Json } from '../../core/canonical.ts';
import { Frontier } from '../../core/merkle.ts';
import { type AuditRecord, beforeFork, leafHash } from '../../core/record.ts';

/** What a client was told of one of its requests. */
export interface Told {
  readonly requestId: string;
  readonly status: number;
  /** `<log>/<index>;<leaf>`, where the answer named its record. */
  readonly record?: string;
  readonly write: boolean;
}

export interface Stored {
  readonly log: string;
  readonly index: number;
  readonly text: string;
  readonly leaf: string;
}

/**
 * Holds what clients were told against what the database has, record for record. Returns what does not hold, a sentence
 * each; nothing when all is well.
 */
export function faultsOf(told: readonly Told[], stored: readonly Stored[]): string[] {
  const faults: string[] = [];
  const places = new Map<string, number>();
  const count = (key: string) => places.set(key, (places.get(key) ?? 0) + 1);
  const records = stored.map((row) => ({ row, record: JSON.parse(row.text) as AuditRecord }));
  const next = new Map<string, { index: number; time: number; tree: Frontier }>();
  for (const { row, record } of records) {
    const at = next.get(row.log) ?? { index: 0, time: 0, tree: new Frontier() };
    if (row.index !== at.index) faults.push(`${row.log} has ${row.index} where ${at.index} should stand`);
    if (record.log !== row.log || record.index !== row.index)
      faults.push(`${row.log}/${row.index} is out of place`);
    if (record.time < at.time) faults.push(`${row.log}/${row.index} is before the one it follows`);
    if (leafOf(row.text) !== row.leaf) faults.push(`${row.log}/${row.index} has another leaf hash`);
    at.tree.append(new Uint8Array(Buffer.from(row.leaf, 'hex')));
    next.set(row.log, { index: row.index + 1, time: record.time, tree: at.tree });
    count(`${row.log}/${row.index};${row.leaf}`);
    for (let was = beforeFork(record); was; was = beforeFork(was)) {
      count(`${was.log}/${was.index};${leafOf(canonical(was as unknown as Json))}`);
    }
  }
  for (const { record, requestId } of told) {
    if (record === undefined) continue;
    const times = places.get(record) ?? 0;
    if (times !== 1) faults.push(`request ${requestId} was told ${record}, which is there ${times} times`);
  }
  faults.push(
    ...phaseFaults(
      told,
      records.map(({ record }) => record),
    ),
  );
  return faults;
}

/** One outcome for each intent, at most one correction, and a record of its own for each answer that names none else's. */
function phaseFaults(told: readonly Told[], records: readonly AuditRecord[]): string[] {
  const faults: string[] = [];
  const of = (phase: string) => {
    const found = new Map<string, number>();
    for (const record of records) {
      if (record.phase !== phase) continue;
      found.set(record.request_id, (found.get(record.request_id) ?? 0) + 1);
    }
    return found;
  };
  const [intents, outcomes, corrections] = [of('intent'), of('outcome'), of('correction')];
  for (const [id, times] of intents) {
    if (times !== 1) faults.push(`request ${id} has ${times} intents`);
    if (outcomes.get(id) !== 1)
      faults.push(`request ${id} has an intent and ${outcomes.get(id) ?? 0} outcomes`);
    if ((corrections.get(id) ?? 0) > 1) faults.push(`request ${id} has ${corrections.get(id)} corrections`);
  }
  for (const { requestId, status, write } of told) {
    if (status === 200 && !outcomes.has(requestId))
      faults.push(`request ${requestId} was answered and has no outcome`);
    if (status === 200 && write && !intents.has(requestId))
      faults.push(`the write ${requestId} has no intent`);
  }
  return faults;
}

/** How many requests the outcomes stand for. */
export function requestsIn(stored: readonly Stored[]): number {
  const records = stored.map(({ text }) => JSON.parse(text) as AuditRecord);
  return records.reduce((sum, { phase, count = 1 }) => sum + (phase === 'outcome' ? count : 0), 0);
}

function leafOf(text: string): string {
  return leafHash(Buffer.from(text, 'utf8'));
}
