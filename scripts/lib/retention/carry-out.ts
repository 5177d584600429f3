import { basename } from 'node:path';
import type pg from 'pg';
import { CommandError } from '../command.ts';
import type { Archive } from './archive.ts';
import { boundsOf, type Month } from './plan.ts';

/** How long appends may wait behind this. */
const LOCK_TIMEOUT = '10s';

const HELD = `select tenant from (
    select distinct on (tenant) tenant, held from audit.hold where tenant = any ($1) order by tenant, number desc
  ) last where held`;

const KEEP_LEAVES = `insert into audit.archived_leaves (log, first, leaves)
  select $1, min(s.index), string_agg(s.leaf, ''::bytea order by s.index)
    from audit.stored_leaves($1, $2, $3) s group by s.index / 256`;

/**
 * Takes a month out of the database, in one transaction: its archives are noted with the hashes of their records, every
 * right to its partition goes, and the partition is detached under the name that is returned. Before anything is
 * changed the month is looked at once more.
 * @throws CommandError when it is another than when its archives were written, or a tenant of it is held now.
 */
export async function takeOut(
  client: pg.Client,
  { month, partition, parts }: Month,
  archives: readonly Archive[],
): Promise<string> {
  const detached = `archived_${partition.slice('record_'.length)}`;
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
    // In this order: an append locks its log's head first, and then the table.
    await client.query('select from audit.log_head where log = any ($1) for update', [
      parts.map(({ log }) => log),
    ]);
    await client.query('lock table audit.record in access exclusive mode');
    await checkUnchanged(client, { month, partition, parts });
    for (const { file, sha256, parts: archived } of archives) {
      for (const { log, first, past, frontier } of archived) {
        await client.query(KEEP_LEAVES, [log, first, past]);
        await client.query(
          `insert into audit.archive (log, first, past, month, name, sha256, frontier)
            values ($1, $2, $3, $4, $5, decode($6, 'hex'), $7)`,
          [log, first, past, `${month}-01`, basename(file), sha256, Buffer.concat(frontier)],
        );
        await deleteQuarantined(client, log, first, past);
      }
    }
    await client.query(`revoke all on audit.${partition} from public, audit_reader, audit_writer`);
    await client.query(`alter table audit.record detach partition audit.${partition}`);
    const { rows } = await client.query(`select to_regclass('audit.${detached}') is not null as there`);
    const name = rows[0]?.there === true ? `${detached}_${Date.now()}` : detached;
    await client.query(`alter table audit.${partition} rename to ${name}`);
    await client.query('commit');
    return name;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

async function checkUnchanged(
  client: pg.Client,
  { month, partition, parts }: Pick<Month, 'month' | 'partition' | 'parts'>,
): Promise<void> {
  const tenants = [...new Set(parts.map(({ tenant }) => tenant))];
  const held = (await client.query<{ tenant: string }>(HELD, [tenants])).rows;
  if (held[0]) throw new CommandError(`${held[0].tenant} is held now: ${month} stays.`);
  const { rows } = await client.query<{ log: string; records: string; past: string }>(
    `select log, count(*)::text as records, (max(index) + 1)::text as past from audit.${partition} group by log`,
  );
  const quarantined = async (log: string, first: number, past: number) => {
    const found = await client.query(
      'select from audit.quarantined where log = $1 and index >= $2 and index < $3',
      [log, first, past],
    );
    return found.rowCount ?? 0;
  };
  for (const { log, first, past, records } of parts) {
    const row = rows.find((each) => each.log === log);
    const there = Number(row?.records ?? 0) + (await quarantined(log, first, past));
    if (there !== records || Number(row?.past ?? 0) > past) {
      throw new CommandError(`${log} has changed since its archive was written: ${month} stays. Try again.`);
    }
  }
  if (rows.length !== parts.length)
    throw new CommandError(`${month} has another log now, and stays. Try again.`);
  const bounds = boundsOf(month);
  const outside = await client.query(`select from audit.${partition} where at < $1 or at >= $2 limit 1`, [
    ...bounds,
  ]);
  if (outside.rowCount !== 0)
    throw new CommandError(`${partition} holds records of another month: it stays.`);
}

/** They are in the archive; their table lets nobody delete, so its trigger is off for as long as this takes. */
async function deleteQuarantined(client: pg.Client, log: string, first: number, past: number): Promise<void> {
  await client.query('alter table audit.quarantined disable trigger append_only');
  await client.query('delete from audit.quarantined where log = $1 and index >= $2 and index < $3', [
    ...[log, first, past],
  ]);
  await client.query('alter table audit.quarantined enable always trigger append_only');
}

const DETACHED = `select c.relname as name from pg_class c
  where c.relnamespace = 'audit'::regnamespace and c.relkind = 'r' and c.relname ~ '^archived_[0-9]{4}_[0-9]{2}'
    and not exists (select from pg_inherits i where i.inhrelid = c.oid)
  order by c.relname`;

/** Tables that were taken out and are still there. */
export async function detachedTables(client: pg.Client): Promise<string[]> {
  return (await client.query<{ name: string }>(DETACHED)).rows.map(({ name }) => name);
}

/** The archives of a detached table's month, as they were noted. */
export async function archivesOf(
  client: pg.Client,
  table: string,
): Promise<readonly { readonly name: string; readonly sha256: string }[]> {
  const [, year, month] = /^archived_(\d{4})_(\d{2})/.exec(table)!;
  const { rows } = await client.query<{ name: string; sha256: string }>(
    `select distinct name, encode(sha256, 'hex') as sha256 from audit.archive where month = $1 order by name`,
    [`${year}-${month}-01`],
  );
  return rows;
}

export async function dropTable(client: pg.Client, table: string): Promise<void> {
  await client.query(`drop table audit.${table}`);
}
