import type { SignedCheckpoint } from '../../core/rpc.ts';
import type { Sql } from '../storage/sql.ts';
import type { Change } from './ledger.ts';
import type { State } from './schema.ts';

type CheckpointRow = {
  epoch: number;
  size: number;
  root: string;
  note: string;
  signed: number;
  kept: number;
  quiet: number;
};

function row(sql: Sql, epoch: number): CheckpointRow | undefined {
  return sql.exec<CheckpointRow>('SELECT * FROM checkpoint WHERE epoch = ?', epoch)[0];
}

export function lastCheckpoint(sql: Sql, epoch: number): SignedCheckpoint | undefined {
  const last = row(sql, epoch);
  return last && { size: last.size, root: last.root, note: last.note, signedMs: last.signed };
}

/** The hash of the key that signs, and the size from which on it does, as far as this object has used one. */
export function signingKey(
  sql: Sql,
  epoch: number,
): { readonly key: string; readonly since: number } | undefined {
  const [row] = sql.exec<{ key: string; epoch: number; since: number }>('SELECT * FROM signer');
  return row && { key: row.key, since: row.epoch === epoch ? row.since : 0 };
}

/** When the schedule wants a checkpoint, in wall time; `undefined`: nothing that counts came since the last. */
export function checkpointDue(sql: Sql, state: State, intervalMs: number): number | undefined {
  const last = row(sql, state.epoch);
  const grown = state.flushed - (last?.size ?? 0) - (last?.quiet ?? 0);
  if (grown <= 0 || state.fork !== null) return undefined;
  return (last?.kept ?? -intervalMs) + intervalMs;
}

/** Keeps a checkpoint that Postgres has stored; `wall` is when, by this object's clock. */
export function keepCheckpoint(
  { sql, state }: Change,
  { size, root, note, signedMs }: SignedCheckpoint,
  key: string,
  wall: number,
): void {
  sql.exec(
    `INSERT INTO checkpoint (epoch, size, root, note, signed, kept, quiet) VALUES (?, ?, ?, ?, ?, ?, 0)
     ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
       signed = excluded.signed, kept = excluded.kept,
       quiet = CASE WHEN size = excluded.size THEN quiet ELSE 0 END`,
    ...[state.epoch, size, root, note, signedMs, Math.trunc(wall)],
  );
  sql.exec(
    'INSERT INTO signer (one, key, epoch, since) VALUES (1, ?, ?, 0) ON CONFLICT DO NOTHING',
    ...[key, state.epoch],
  );
}

/** The change of keys is a record of the log, which the first checkpoint by the new key covers. */
export function recordKeyChange(change: Change, from: string, to: string, requestId: string): void {
  const { tenant, epoch } = change.state;
  change.add({
    v: 1,
    phase: 'event',
    request_id: requestId,
    tenant,
    decision: 'allow',
    reasons: ['signing_key_changed'],
    detail: { from, to },
  });
  change.sql.exec('UPDATE signer SET key = ?, epoch = ?, since = ?', to, epoch, change.state.size);
}

/** A witness's signature makes a record, and that record alone is no reason for a checkpoint to be witnessed. */
export function countQuiet({ sql, state }: Change): void {
  sql.exec('UPDATE checkpoint SET quiet = quiet + 1 WHERE epoch = ?', state.epoch);
}
