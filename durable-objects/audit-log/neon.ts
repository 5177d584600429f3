import type { NeonDbError } from '@neondatabase/serverless';
import type { SignedCheckpoint } from '../../core/rpc.ts';
import { HttpFailure, neonSql } from '../neon-sql.ts';
import {
  type AuditSink,
  SinkFailure,
  type SinkFailureKind,
  type SinkState,
  type StoredRecord,
} from './sink.ts';

/** The audit schema behind Neon's HTTP protocol. */
export function neonSink(url: string, endpoint: string | undefined, timeoutMs: number): AuditSink {
  const sql = () => neonSql(url, endpoint, timeoutMs);
  const ask = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw classify(error);
    }
  };
  return {
    append: (log, first, texts, before) =>
      ask(async () => {
        const call = await sql();
        const [, , state] = await call.transaction([
          call`select audit.follow(${log}, ${first}, ${before ?? null})`,
          // Canonical JSON has no line break in it, and texts between them are a fifth shorter than JSON in JSON.
          call`select head from audit.append_batch(${log}, ${first},
            to_jsonb(string_to_array(${texts.join('\n')}, chr(10))))`,
          call`select head, last_leaf, highest_epoch from audit.log_state(${log})`,
        ]);
        return stateOf(state);
      }),
    quarantine: (log, index, text, sqlstate) =>
      ask(async () => {
        const call = await sql();
        const bytes = `\\x${Buffer.from(text, 'utf8').toString('hex')}`;
        const [, state] = await call.transaction([
          call`select head from audit.quarantine(${log}, ${index}, ${bytes}::bytea, ${sqlstate})`,
          call`select head, last_leaf, highest_epoch from audit.log_state(${log})`,
        ]);
        return stateOf(state);
      }),
    state: (log) =>
      ask(async () =>
        stateOf(await (await sql())`select head, last_leaf, highest_epoch from audit.log_state(${log})`),
      ),
    records: (log, first) =>
      ask(async () =>
        recordsOf(
          await (await sql())`select index, canonical, bytes, leaf from audit.stored_records(${log}, ${first})`,
          first,
        ),
      ),
    close: (log, end) =>
      ask(async () => {
        const [row] = (await (await sql())`select audit.close_log(${log}, ${end}) as closed`) as [
          { readonly closed?: unknown } | undefined,
        ];
        if (typeof row?.closed !== 'boolean') throw new SinkFailure('transient', 'unreadable');
        return row.closed;
      }),
    lastCheckpoint: (log) =>
      ask(async () => {
        const call = await sql();
        // The checkpoint first: what is read behind it is no older.
        const [checkpoints, state] = (await call.transaction([
          call`select size, root, note, signed_ms from audit.last_checkpoint(${log})`,
          call`select head, last_leaf, highest_epoch from audit.log_state(${log})`,
        ])) as [unknown, unknown];
        const [row] = checkpoints as [unknown];
        return { state: stateOf(state), checkpoint: row === undefined ? null : checkpointOf(row) };
      }),
    storeCheckpoint: (log, size, root, note) =>
      ask(async () => {
        const [row] = (await (await sql())`select size, root, note, signed_ms
          from audit.store_checkpoint(${log}, ${size}, ${`\\x${root}`}::bytea, ${note})`) as [unknown];
        return checkpointOf(row);
      }),
    ensurePartitions: () =>
      ask(async () => {
        await (await sql())`select audit.ensure_partitions()`;
      }),
  };
}

function stateOf(rows: unknown): SinkState {
  const [row] = rows as [{ head: unknown; last_leaf: unknown; highest_epoch: unknown } | undefined];
  const head = countOf(row?.head);
  const lastLeaf = row?.last_leaf;
  const highestEpoch = countOf(row?.highest_epoch);
  const leafFits = head === 0 ? lastLeaf === null : typeof lastLeaf === 'string';
  if (head === undefined || highestEpoch === undefined || !leafFits) {
    throw new SinkFailure('transient', 'unreadable');
  }
  return { head, lastLeaf: lastLeaf as string | null, highestEpoch };
}

/** Strict as well: a record that was left out would be taken for one that Postgres lacks. */
function recordsOf(rows: unknown, first: number): StoredRecord[] {
  return (rows as { readonly [column: string]: unknown }[]).map(({ index, canonical, bytes, leaf }, at) => {
    if (countOf(index) !== first + at) throw new SinkFailure('transient', 'unreadable');
    if (typeof canonical === 'string') return { text: canonical };
    if (typeof bytes === 'string') return { text: Buffer.from(bytes, 'hex').toString('utf8') };
    if (typeof leaf === 'string' && /^[0-9a-f]{64}$/.test(leaf)) return { leaf };
    throw new SinkFailure('transient', 'unreadable');
  });
}

function checkpointOf(row: unknown): SignedCheckpoint {
  const { size, root, note, signed_ms } = (row ?? {}) as { readonly [column: string]: unknown };
  const [counted, signedMs] = [countOf(size), countOf(signed_ms)];
  const whole = typeof root === 'string' && /^[0-9a-f]{64}$/.test(root) && typeof note === 'string';
  if (counted === undefined || signedMs === undefined || !whole) {
    throw new SinkFailure('transient', 'unreadable');
  }
  return { size: counted, root, note, signedMs };
}

/** Strict, because a head of 0 that nobody said would have the whole log sent again. */
function countOf(value: unknown): number | undefined {
  const count = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : undefined;
}

/** By type and SQLSTATE, never by message. */
export function classify(error: unknown): SinkFailure {
  if (error instanceof SinkFailure) return error;
  if (isOfDriver(error)) {
    const { code, constraint, sourceError } = error;
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) {
      return new SinkFailure(kindOf(code, constraint), `sql_${code}`);
    }
    if (sourceError instanceof HttpFailure) {
      const kind = sourceError.status === 413 ? 'too_large' : 'transient';
      return new SinkFailure(kind, `http_${sourceError.status}`);
    }
    // Without a source the endpoint did answer, but neither as Postgres does nor as the driver knows it.
    if (sourceError === undefined) return new SinkFailure('transient', 'unreadable');
    return new SinkFailure('transient', isTimeout(sourceError) ? 'timeout' : 'unreachable');
  }
  return new SinkFailure('transient', isTimeout(error) ? 'timeout' : 'unreadable');
}

function isOfDriver(error: unknown): error is NeonDbError {
  return error instanceof Error && error.name === 'NeonDbError';
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && /^(TimeoutError|AbortError)$/.test(error.name);
}

/**
 * Class 22 (data), 23 (constraints) and 54 (limits of the database's own) say that a record is bad. Not 23514 without a
 * constraint's name, which is a missing partition, and not 23505: the function looks at what is there under a lock, so a
 * duplicate is a race to be tried again and not a bad record. AL004, a closed epoch, passes for transient: the comparison
 * that comes before the next try finds the later one, and what follows from it.
 */
function kindOf(sqlstate: string, constraint: string | undefined): SinkFailureKind {
  if (sqlstate === 'AL001') return 'gap';
  if (sqlstate === 'AL002' || sqlstate === 'AL003') return 'mismatch';
  if (sqlstate === '23514' && !constraint) return 'no_partition';
  if (sqlstate === '23505') return 'transient';
  return /^(2[23]|54)/.test(sqlstate) ? 'poison' : 'transient';
}
