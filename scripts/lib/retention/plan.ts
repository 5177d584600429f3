import type pg from 'pg';

/** A month of UTC whose records are in a partition of their own. */
export interface Month {
  /** `2020-11`. */
  readonly month: string;
  readonly partition: string;
  /** By log. */
  readonly parts: readonly Part[];
  /** Why it is not archived now; none: it can be. */
  readonly blocks: readonly string[];
}

/** The records of a log that a month holds: a stretch, because time never falls with the index. */
export interface Part {
  readonly tenant: string;
  readonly log: string;
  readonly first: number;
  /** The index behind the last. */
  readonly past: number;
  /** The records that are there, quarantined ones with them. */
  readonly records: number;
  /** The smallest checkpoint that covers all of them; `null`: there is none. */
  readonly checkpoint: number | null;
  readonly held: boolean;
  /** Behind `past` there are records of the month: a record that was quarantined since then stands before them. */
  readonly waits: boolean;
}

const PARTITIONS = `select c.relname as partition from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'audit.record'::regclass order by c.relname`;

/**
 * What each log has in a month. Quarantined records have no month of their own: they go with the records before them, but
 * not before their own time, so one that came at $3 or later ends the stretch. `past` is where the log goes on in a later
 * month, or its head; `first` is where an earlier month ends, or an archive.
 */
const PARTS = `with logs as (
    select log, tenant from audit.record where at >= $1::timestamptz and at < $2::timestamptz group by log, tenant
  ), months as (
    select l.log, l.tenant,
        case when exists (select from audit.record e where e.log = l.log and e.at < $1::timestamptz)
          then (select min(r.index) from audit.record r where r.log = l.log and r.at >= $1::timestamptz)
          else coalesce((select max(a.past) from audit.archive a where a.log = l.log), 0) end as first,
        coalesce((select min(r.index) from audit.record r where r.log = l.log and r.at >= $2::timestamptz),
          (select h.head from audit.log_head h where h.log = l.log), 0) as past,
        (select min(q.index) from audit.quarantined q where q.log = l.log and q.at >= $3::timestamptz) as kept
      from logs l
  ), stretch as (
    select m.log, m.tenant, least(m.first, m.kept) as first, least(m.past, m.kept) as past from months m
  )
  select s.log, s.tenant, s.first::text, s.past::text,
      ((select count(*) from audit.record r
          where r.log = s.log and r.at >= $1::timestamptz and r.at < $2::timestamptz)
        + (select count(*) from audit.quarantined q
          where q.log = s.log and q.index >= s.first and q.index < s.past))::text as records,
      (select min(c.size) from audit.checkpoint c where c.log = s.log and c.size >= s.past)::text as checkpoint,
      coalesce((select h.held from audit.hold h where h.tenant = s.tenant order by h.number desc limit 1), false)
        as held,
      exists (select from audit.record r where r.log = s.log and r.at >= $1::timestamptz and r.at < $2::timestamptz
        and r.index >= s.past) as waits
    from stretch s order by s.tenant, s.log`;

interface PartRow {
  readonly log: string;
  readonly tenant: string;
  readonly first: string;
  readonly past: string;
  readonly records: string;
  readonly checkpoint: string | null;
  readonly held: boolean;
  readonly waits: boolean;
}

/** The first moment of a month and of the one behind it. */
export function boundsOf(month: string): readonly [string, string] {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return [new Date(Date.UTC(year, number - 1)), new Date(Date.UTC(year, number))].map((at) =>
    at.toISOString(),
  ) as [string, string];
}

/** The last month, of UTC, that ended at least so many months before a time. */
export function lastMonthBefore(now: Date, keepMonths: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - keepMonths - 1))
    .toISOString()
    .slice(0, 7);
}

/**
 * The months that are old enough, oldest first. A month is blocked, and those behind it with it, by a tenant that is held,
 * by a log that no checkpoint covers, by records that are not there, and by a quarantined one among them that came later.
 * @param client the owner's.
 */
export async function planMonths(client: pg.Client, upTo: string): Promise<Month[]> {
  const { rows } = await client.query<{ partition: string }>(PARTITIONS);
  const [, kept] = boundsOf(upTo);
  const months: Month[] = [];
  for (const { partition } of rows) {
    const month = partition.slice('record_'.length).replace('_', '-');
    if (!/^\d{4}-\d{2}$/.test(month) || month > upTo) continue;
    const before = months.at(-1);
    const parts = (await client.query<PartRow>(PARTS, [...boundsOf(month), kept])).rows.map(partOf);
    const blocks = parts.flatMap(blocksOf);
    if (before !== undefined && before.blocks.length > 0) blocks.push(`${before.month} stays`);
    months.push({ month, partition, parts, blocks });
  }
  return months;
}

function partOf({ log, tenant, first, past, records, checkpoint, held, waits }: PartRow): Part {
  return {
    ...{ tenant, log, first: Number(first), past: Number(past), records: Number(records), held, waits },
    checkpoint: checkpoint === null ? null : Number(checkpoint),
  };
}

function blocksOf({ tenant, log, first, past, records, checkpoint, held, waits }: Part): string[] {
  const stays = held ? [`${tenant} is held`] : [];
  if (waits) return [...stays, `${log}/${past} stands among its records, and was quarantined later`];
  return [
    ...stays,
    ...(records === past - first
      ? []
      : [`${log} has ${records} records where it should have ${past - first}: run audit:verify`]),
    ...(checkpoint === null
      ? [
          `no checkpoint covers the ${past} records of ${log}: ask the gateway for one (…/checkpoint?fresh=true)`,
        ]
      : []),
  ];
}
