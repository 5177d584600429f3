import type { AuditRecord } from '../../../core/record.ts';
import { CommandError } from '../command.ts';
import { noLog, type TenantReader } from '../database.ts';
import { type Orphan, oldestFirst, orphansOf } from './orphans.ts';

export interface FindOptions {
  /** Milliseconds since the epoch: what was recorded before is not looked at. */
  readonly since?: number | undefined;
  readonly now: number;
  readonly orphanAfterMs: number;
  /** Candidates that are asked for at a time. */
  readonly pageRows?: number;
}

interface Candidate {
  readonly log: string;
  readonly index: string;
  readonly time_ms: string;
  readonly request_id: string;
}

const PAGE_ROWS = 500;

const CANDIDATES = `select log, index::text, time_ms::text, request_id from audit.record r
  where tenant = current_setting('audit.tenant')
    and ($1::bigint is null or at >= to_timestamp($1::bigint / 1000.0))
    and (at, log, index) > (to_timestamp($2::bigint / 1000.0), $3::text collate "C", $4::bigint)
    and ((phase = 'outcome' and result = 'unknown')
      or (phase = 'intent' and not exists (
        select from audit.record o
        where o.request_id = r.request_id and o.tenant = r.tenant and o.phase = 'outcome')))
  order by at, log, index limit $5`;

const OF_REQUESTS = `select canonical from audit.record
  where tenant = current_setting('audit.tenant') and request_id = any ($1)
    and phase in ('intent', 'outcome', 'correction') order by log, index`;

const LOGS = `select from audit.log_head where tenant = current_setting('audit.tenant') limit 1`;

const QUARANTINED = `select convert_from(bytes, 'UTF8') as canonical from audit.quarantined
  where tenant = current_setting('audit.tenant') order by log, index`;

/** The tenant's orphans, oldest first. @throws CommandError when it has no log, or the connection is gone. */
export async function findOrphans(
  reader: TenantReader,
  { since, now, orphanAfterMs, pageRows = PAGE_ROWS }: FindOptions,
): Promise<Orphan[]> {
  if ((await reader.read(LOGS)).length === 0) throw new CommandError(noLog(reader.tenant));
  // Records that Postgres keeps as bytes have no columns to ask for. They are few.
  const kept = (await reader.read<{ canonical: string }>(QUARANTINED)).map(parse);
  const byId = Map.groupBy(kept, ({ request_id }) => request_id);
  const orphans: Orphan[] = [];
  const look = async (ids: readonly string[]) => {
    if (ids.length === 0) return;
    const rows = await reader.read<{ canonical: string }>(OF_REQUESTS, [ids]);
    const records = [...rows.map(parse), ...ids.flatMap((id) => byId.get(id) ?? [])];
    orphans.push(...orphansOf(records, { now, orphanAfterMs }));
  };
  const ownKept = kept.filter(({ phase, time }) => phase !== 'event' && time >= (since ?? 0));
  const seen = new Set(ownKept.map(({ request_id }) => request_id));
  await look([...seen]);
  let after: readonly [string, string, string] = ['-1', '', '-1'];
  for (;;) {
    const rows = await reader.read<Candidate>(CANDIDATES, [since ?? null, ...after, pageRows]);
    const ids = [...new Set(rows.map(({ request_id }) => request_id))].filter((id) => !seen.has(id));
    for (const id of ids) seen.add(id);
    await look(ids);
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) break;
    after = [last.time_ms, last.log, last.index];
  }
  return orphans.sort(oldestFirst);
}

const parse = ({ canonical }: { readonly canonical: string }) => JSON.parse(canonical) as AuditRecord;
