import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Io } from '../scripts/lib/command.ts';
import type { Sink } from './parts.ts';
import { ACTORS, SCENARIOS, TENANT } from './scenarios.ts';
import { median, spread } from './stats.ts';
import { jobOf, type Target, type World } from './world/world.ts';

export interface SinkOptions {
  readonly rounds: number;
  /** Records that wait before a flush is measured. */
  readonly backlog: number;
}

/** What is as large as a batch of the gateway's may get. */
const BARE_ROWS = 1000;
const LOG = `${TENANT}~0~1`;
const POLL_MS = 5;
/** The gateway tries again after a pause that has grown with the outage. */
const PATIENCE_MS = 90_000;
const LOAD = { connections: 8, durationMs: PATIENCE_MS };

/** The tables that texts are inserted into to compare with: made by the owner, in a schema of the bench's own. */
const TABLES = {
  /** As little as a table can be and still say which record a row is. */
  bare: {
    create: '(log text, index bigint, canonical text not null, primary key (log, index))',
    insert: `(log, index, canonical) select $1, $2::bigint + ordinality - 1, value
      from jsonb_array_elements_text($3::jsonb) with ordinality`,
  },
  /** With every column, constraint and index of the audit log's, which is what makes it provable and readable. */
  shaped: {
    create: '(like audit.record including all)',
    insert: `(log, index, at, canonical, leaf, time_ms, tenant, phase, request_id, actor_issuer, actor_sub, action,
        operation, decision, reasons, result, count)
      select $1, $2::bigint + ordinality - 1, to_timestamp((said ->> 'time')::bigint / 1000.0), value,
        sha256('\\x00'::bytea || convert_to(value, 'UTF8')), (said ->> 'time')::bigint, said ->> 'tenant', said ->> 'phase',
        said ->> 'request_id', said #>> '{actor,issuer}', said #>> '{actor,sub}', said ->> 'action', said ->> 'operation',
        said ->> 'decision', said -> 'reasons', said #>> '{outcome,result}', coalesce((said ->> 'count')::integer, 1)
      from (
        select value, ordinality, value::jsonb as said from jsonb_array_elements_text($3::jsonb) with ordinality offset 0
      ) as given`,
  },
};

/**
 * Holds the flush of a log that has much to send, while requests go on, against a bare batched insert of the same texts
 * through the same SQL endpoint, while the same load goes to the null proxy. In turns: insert, flush, insert.
 * @throws Error when the gateway does not get rid of its records.
 */
export async function measureSink(world: World, io: Io, { rounds, backlog }: SinkOptions): Promise<Sink> {
  io.note('The flush of a log');
  const owner = await world.rig.database.as('audit_owner');
  await owner.query('create schema bench');
  for (const [name, { create }] of Object.entries(TABLES)) {
    await owner.query(`create table bench.${name} ${create}`);
  }
  const inserted: number[] = [];
  const shaped: number[] = [];
  const flushed: Flushed[] = [];
  // The texts of the first insert come from a flush that is not counted.
  await flush(world, owner, backlog);
  inserted.push(await insert(world, owner, 'bare'));
  for (let i = 0; i < rounds; i++) {
    flushed.push(await flush(world, owner, backlog));
    inserted.push(await insert(world, owner, 'bare'));
    shaped.push(await insert(world, owner, 'shaped'));
    const all = [flushed[i]!.perSecond, inserted[i + 1]!, shaped[i]!].map((each) => each.toFixed(0));
    io.note(`  rows/s: flush ${all[0]}, bare insert ${all[1]}, insert with all columns ${all[2]}`);
  }
  await owner.query('drop schema bench cascade');
  return {
    rowsPerSecond: spread(flushed.map(({ perSecond }) => perSecond)),
    barePerSecond: spread(inserted),
    shapedPerSecond: spread(shaped),
    ratio: spread(flushed.map(({ perSecond }, i) => (2 * perSecond) / (inserted[i]! + inserted[i + 1]!))),
    rowsPerCall: spread(flushed.map(({ rowsPerCall }) => rowsPerCall)),
  };
}

interface Flushed {
  readonly perSecond: number;
  readonly rowsPerCall: number;
}

/** Lets records pile up without a SQL endpoint, and measures from the first batch that Postgres has to the last. */
async function flush(world: World, owner: pg.Client, backlog: number): Promise<Flushed> {
  const { rig, ledger } = world;
  const begin = await headOf(owner);
  await rig.neon.stop();
  const piled = await under(world, world.gateway, 'read', 128, PATIENCE_MS, backlog).load;
  await rig.restartNeon();
  const load = under(world, world.gateway, 'read', LOAD.connections, LOAD.durationMs);
  const until = performance.now() + PATIENCE_MS;
  let first: { readonly head: number; readonly at: number } | undefined;
  for (;;) {
    const head = await headOf(owner);
    const at = performance.now();
    if (head > begin) first ??= { head, at };
    if (first && head >= begin + backlog) {
      const fired = await load.stop();
      const fault = await ledger.settle(piled.answered + fired.answered);
      if (fault) throw new Error(fault);
      // What a call brought was written by one transaction.
      const { rows } = await owner.query<{ rows: string }>(
        'select count(*) as rows from audit.record where log = $1 and index between $2 and $3 group by xmin',
        [LOG, begin, begin + backlog - 1],
      );
      return {
        perSecond: ((head - first.head) / (at - first.at)) * 1000,
        rowsPerCall: median(rows.map((row) => Number(row.rows))),
      };
    }
    if (at > until) throw new Error('the gateway does not flush');
    await sleep(POLL_MS);
  }
}

async function headOf(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ head: string }>('select head from audit.log_head where log = $1', [
    LOG,
  ]);
  return Number(rows[0]?.head ?? 0);
}

/** Rows a second of inserts one after the other, through the endpoint, as the owner. */
async function insert(world: World, owner: pg.Client, table: keyof typeof TABLES): Promise<number> {
  const { rig } = world;
  await owner.query(`truncate bench.${table}`);
  const { rows } = await owner.query<{ canonical: string }>(
    'select canonical from audit.record where log = $1 order by index limit $2',
    [LOG, 8 * BARE_ROWS],
  );
  const texts = rows.map(({ canonical }) => canonical);
  const load = under(world, world.proxy, 'read', LOAD.connections, LOAD.durationMs);
  const send = async (first: number) => {
    const some = texts.slice(first, first + BARE_ROWS);
    const response = await fetch(rig.neon.url, {
      method: 'POST',
      headers: {
        'neon-connection-string': rig.database.url('audit_owner'),
        'neon-raw-text-output': 'true',
        'neon-array-mode': 'true',
      },
      body: JSON.stringify({
        query: `insert into bench.${table} ${TABLES[table].insert} on conflict do nothing`,
        params: [LOG, String(first), JSON.stringify(some)],
      }),
    });
    if (!response.ok) throw new Error(`the insert was refused: ${await response.text()}`);
    await response.arrayBuffer();
    return some.length;
  };
  await send(0);
  const begin = performance.now();
  let sent = 0;
  for (let first = BARE_ROWS; first < texts.length; first += BARE_ROWS) sent += await send(first);
  const perSecond = (sent / (performance.now() - begin)) * 1000;
  await load.stop();
  return perSecond;
}

/** Load that goes on until it is stopped. */
function under(
  { generator, tokens }: World,
  target: Target,
  name: string,
  connections: number,
  durationMs: number,
  most?: number,
) {
  const scenario = SCENARIOS.find((each) => each.name === name)!;
  const load = tokens(scenario, ACTORS).then((all) =>
    generator.run(
      jobOf(scenario, target, { tokens: all, connections, durationMs, ...(most ? { most } : {}) }),
    ),
  );
  return {
    load,
    stop: async () => {
      generator.halt();
      return load;
    },
  };
}
