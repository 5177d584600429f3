import { parseLogName } from '../../core/names.ts';
import { ocsfEvent } from '../../core/ocsf.ts';
import type { AuditRecord } from '../../core/record.ts';
import { CommandError } from './command.ts';
import { noLog, type TenantReader } from './database.ts';

export const FORMATS = ['native', 'ocsf'] as const;
export type Format = (typeof FORMATS)[number];

export interface ExportOptions {
  readonly format: Format;
  /** Milliseconds since the epoch; `from` belongs to the period, `to` does not. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** This log only. */
  readonly log?: string | undefined;
  /** Rows that are asked for at a time. */
  readonly batchRows?: number;
  /** Stops after the batch that is being read. */
  readonly signal?: AbortSignal;
  readonly progress?: (records: number, log: string) => void;
}

export interface Exported {
  readonly logs: number;
  records: number;
  /** Indexes below a log's head that the database does not hold; not counted when a period was asked for. */
  missing: number;
  /** Indexes whose records have left the database for archives. */
  archived: number;
  /** Rows that are no record, or not the one of their place. */
  unreadable: number;
}

interface Row {
  readonly index: string;
  readonly bytes: Buffer;
  readonly leaf: string;
}

const BATCH_ROWS = 1000;

/** `tenant` is said besides row security, which does not hold back the tables' owner. */
const HEADS = `select h.log, h.head::text,
    coalesce((select max(a.past) from audit.archive a where a.log = h.log), 0)::text as archived
  from audit.log_head h
  where h.tenant = current_setting('audit.tenant') and ($1::text is null or h.log = $1) order by h.log`;

/** Records that Postgres could only keep as bytes are part of their log and come in their place. */
const RECORDS = `select index::text, bytes, leaf from (
    select index, convert_to(canonical, 'UTF8') as bytes, encode(leaf, 'hex') as leaf from audit.record
      where tenant = current_setting('audit.tenant') and log = $1 and index < $2::bigint
        and ($3::bigint is null or at >= to_timestamp($3::bigint / 1000.0))
        and ($4::bigint is null or at < to_timestamp($4::bigint / 1000.0))
    union all
    select index, bytes, encode(leaf, 'hex') from audit.quarantined
      where tenant = current_setting('audit.tenant') and log = $1 and index < $2::bigint
  ) rows order by rows.index`;

/**
 * The tenant's records as JSON lines, log by log in their order, up to where each log ended when this began. Holds a
 * batch at a time. Counts into `exported` on the way; its final numbers are there when the lines are.
 * @throws CommandError when a log is named that the tenant does not have, or it has none.
 */
export async function* exportLines(
  reader: TenantReader,
  { format, from, to, log: only, batchRows = BATCH_ROWS, signal, progress }: ExportOptions,
  exported: Omit<Exported, 'logs'>,
): AsyncGenerator<string, void> {
  if (only !== undefined && parseLogName(only)?.tenant !== reader.tenant) {
    throw new CommandError('--log is not a log of this tenant.', 2);
  }
  const heads = await reader.read<{ log: string; head: string; archived: string }>(HEADS, [only ?? null]);
  if (heads.length === 0) {
    throw new CommandError(only === undefined ? noLog(reader.tenant) : 'The database holds no such log.');
  }
  const whole = from === undefined && to === undefined;
  for (const { log, head, archived } of heads) {
    let found = 0;
    signal?.throwIfAborted();
    const values = [log, head, from ?? null, to ?? null];
    for await (const rows of reader.stream<Row>(RECORDS, values, batchRows)) {
      const lines = rows.map((row) => lineOf(log, row, { format, from, to }));
      found += rows.length;
      exported.unreadable += lines.filter((line) => line === undefined).length;
      const kept = lines.filter((line) => line !== undefined && line !== '');
      exported.records += kept.length;
      if (kept.length > 0) yield kept.join('');
      progress?.(exported.records, log);
      signal?.throwIfAborted();
    }
    exported.archived += Number(archived);
    if (whole) exported.missing += Number(head) - Number(archived) - found;
  }
}

/** A row's line; empty when it lies outside the period, `undefined` when it is not the record of its place. */
function lineOf(
  log: string,
  { index, bytes, leaf }: Row,
  { format, from = 0, to = Number.POSITIVE_INFINITY }: Pick<ExportOptions, 'format' | 'from' | 'to'>,
): string | undefined {
  const text = bytes.toString('utf8');
  if (text.includes('\n')) return undefined;
  const record = recordOf(text);
  if (record === undefined || record.log !== log || record.index !== Number(index)) return undefined;
  if (record.time < from || record.time >= to) return '';
  // What stands after `"record":` and before the last brace is, byte for byte, what was hashed.
  return format === 'ocsf'
    ? `${JSON.stringify(ocsfEvent(record, leaf))}\n`
    : `{"log":${JSON.stringify(log)},"index":${index},"leaf":"${leaf}","record":${text}}\n`;
}

function recordOf(text: string): AuditRecord | undefined {
  try {
    const value = JSON.parse(text) as AuditRecord | null;
    return typeof value === 'object' && value !== null && typeof value.time === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}
