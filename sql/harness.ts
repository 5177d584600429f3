import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { parseLogName } from '../core/names.ts';
import { type RecordMembers, type SealedRecord, seal } from '../core/record.ts';
import { type Postgres, startPostgres } from '../local/postgres.ts';
import { migrate, setRolePasswords } from '../scripts/lib/migrate.ts';

export type Who = 'audit_owner' | 'audit_writer' | 'audit_reader' | 'postgres';

export interface Database {
  readonly name: string;
  url(who: Who): string;
  /** A connection, closed with the cluster. */
  as(who: Who): Promise<pg.Client>;
}

export interface Cluster {
  readonly postgres: Postgres;
  /** A database of its own, copied from one that nobody is connected to; absent: one that was just migrated. */
  fresh(from?: Database): Promise<Database>;
  stop(): Promise<void>;
}

const TEMPLATE = 'migrated';

/** A Postgres for one test file, in a folder that goes with it. */
export async function startCluster(): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), 'audit-sql-'));
  const postgres = await startPostgres({ dir, durable: false });
  await postgres.createDatabase(TEMPLATE);
  const owner = postgres.url('audit_owner', TEMPLATE);
  await migrate(owner);
  await setRolePasswords(owner, {
    writer: postgres.password('audit_writer'),
    reader: postgres.password('audit_reader'),
  });
  const clients: pg.Client[] = [];
  let databases = 0;
  return {
    postgres,
    async fresh(from) {
      const name = `test_${++databases}`;
      await postgres.createDatabase(name, from?.name ?? TEMPLATE);
      const url = (who: Who) => postgres.url(who, name);
      return {
        name,
        url,
        async as(who) {
          const client = new pg.Client({ connectionString: url(who) });
          client.on('error', () => {});
          await client.connect();
          clients.push(client);
          return client;
        },
      };
    },
    async stop() {
      await Promise.all(clients.map((client) => client.end()));
      await postgres.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** Noon of the first day of this UTC month: a time that its partition holds whenever the test runs. */
export function thisMonth(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1, 12);
}

/** A sealed record of a log; the members that a test does not care about are filled in. */
export function record(
  log: string,
  index: number,
  members: Partial<RecordMembers> = {},
  time = thisMonth(),
): SealedRecord {
  const name = parseLogName(log)!;
  return seal(
    {
      v: 1,
      phase: 'outcome',
      request_id: `request-${index}`,
      tenant: name.tenant,
      decision: 'allow',
      reasons: ['role_allows'],
      ...members,
    },
    name,
    index,
    time,
  );
}

/** `count` records of a log from index `first` on. */
export function records(log: string, first: number, count: number): SealedRecord[] {
  return Array.from({ length: count }, (_, i) => record(log, first + i));
}

export interface Head {
  readonly head: string;
  readonly last_leaf: string | null;
}

/** Calls `audit.append_batch` with records, or with any texts. */
export async function append(
  client: pg.Client,
  log: string,
  first: number,
  rows: readonly (SealedRecord | string)[],
): Promise<Head> {
  const texts = rows.map((row) => (typeof row === 'string' ? row : row.text));
  const { rows: answer } = await client.query<Head>('select * from audit.append_batch($1, $2, $3::jsonb)', [
    log,
    first,
    JSON.stringify(texts),
  ]);
  return answer[0]!;
}

/** What a refused statement is refused with. */
export async function refusal(
  run: Promise<unknown>,
): Promise<{ code?: string; constraint?: string; text: string }> {
  try {
    await run;
  } catch (error) {
    const { code, constraint, message, detail, where } = error as pg.DatabaseError;
    return { code: code!, constraint: constraint!, text: [message, detail, where].join('\n') };
  }
  throw new Error('the statement was not refused');
}
