import type { RecordMembers } from '../../core/record.ts';
import type { Change } from './ledger.ts';
import { findIntents, type IntentRow } from './rows.ts';

/** How long an orphaned intent waits for the outcome that would correct it. */
const CORRECTABLE_MS = 7 * 86_400_000;

/** Remembers an intent until its outcome, or until it is orphaned. */
export function openIntent(
  change: Change,
  members: RecordMembers,
  place: { readonly epoch: number; readonly idx: number },
  orphanAfterMs: number,
): IntentRow {
  const row = {
    ...{ request_id: members.request_id, epoch: place.epoch, idx: place.idx },
    ...{ due: change.now + orphanAfterMs, orphaned: 0, members: JSON.stringify(members) },
  };
  change.rows.addIntent(row);
  change.state.openIntents++;
  return row;
}

/**
 * The record that an outcome becomes whose intent is known here: the outcome of an open one, which closes it, or the
 * correction of one that was closed as `unknown`.
 */
export function closesIntent(change: Change, members: RecordMembers, row: IntentRow): RecordMembers {
  change.rows.removeIntent(row.request_id);
  if (row.orphaned === 0) change.state.openIntents--;
  return {
    ...members,
    phase: row.orphaned === 0 ? 'outcome' : 'correction',
    intent: change.place(row.epoch, row.idx),
  };
}

/** What a record that only Postgres had says of an intent: that it is open, closed as unknown, or done with. */
export function learnIntent(
  change: Change,
  members: RecordMembers,
  place: { readonly epoch: number; readonly idx: number },
  orphanAfterMs: number,
): void {
  const { phase, reasons, intent, request_id: id } = members;
  const row = findIntents(change.sql, [id]).get(id);
  if (phase === 'intent' && !row) openIntent(change, members, place, orphanAfterMs);
  if (intent === undefined || !row) return;
  if (row.orphaned === 0) change.state.openIntents--;
  if (phase === 'outcome' && reasons.includes('orphaned')) orphan(change, id);
  else change.sql.exec('DELETE FROM intent WHERE request_id = ?', id);
}

/** An intent stands in another place now, because its record was appended again. Postgres may have another's there. */
export function moveIntent(
  { sql }: Change,
  requestId: string,
  from: { readonly epoch: number; readonly idx: number },
  to: { readonly epoch: number; readonly idx: number },
): void {
  sql.exec(
    'UPDATE intent SET epoch = ?, idx = ? WHERE request_id = ? AND epoch = ? AND idx = ?',
    ...[to.epoch, to.idx, requestId, from.epoch, from.idx],
  );
}

function orphan({ sql, now }: Change, requestId: string): void {
  sql.exec('UPDATE intent SET orphaned = 1, due = ? WHERE request_id = ?', now + CORRECTABLE_MS, requestId);
}

/** Closes intents whose outcome never came, oldest first: what became of them is not known. */
export function closeOrphans(change: Change, most: number): number {
  const rows = change.sql.exec<IntentRow>(
    'SELECT * FROM intent WHERE due <= ? AND orphaned = 0 ORDER BY due LIMIT ?',
    ...[change.now, most],
  );
  for (const row of rows) {
    const members = JSON.parse(row.members) as RecordMembers;
    change.add({
      ...members,
      phase: 'outcome',
      reasons: ['orphaned'],
      outcome: { result: 'unknown' },
      intent: change.place(row.epoch, row.idx),
    });
    orphan(change, row.request_id);
    change.state.openIntents--;
  }
  return rows.length;
}
