import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { append, type Cluster, type Database, record, refusal, startCluster } from './harness.ts';

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
});
beforeEach(async () => {
  database = await cluster.fresh();
  [writer, owner] = await Promise.all([database.as('audit_writer'), database.as('audit_owner')]);
});
afterAll(() => cluster.stop());

/** The first moment of the month `offset` months from this one, in UTC. */
const month = (offset: number) => {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1);
};
const nameOf = (offset: number) =>
  `record_${new Date(month(offset)).toISOString().slice(0, 7).replace('-', '_')}`;
const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => nameOf(from + i));

const partitions = async () =>
  (
    await owner.query(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit.record'::regclass order by 1`,
    )
  ).rows.map(({ name }) => name as string);
const ensure = async (session: pg.Client, ahead?: number) =>
  (await session.query(`select audit.ensure_partitions(${ahead ?? ''}) as made`)).rows[0].made as number;

describe('ensure_partitions', () => {
  it('has made the months around this one when the migrations are done', async () => {
    expect(await partitions()).toEqual(names(-1, 3));
    expect(await ensure(writer)).toBe(0);
  });

  it('makes as many months ahead as it is told', async () => {
    expect(await ensure(writer, 5)).toBe(2);
    expect(await partitions()).toEqual(names(-1, 5));
  });

  it.each(['-1', '25', 'null'])('refuses %s months', async (ahead) => {
    const call = writer.query(`select audit.ensure_partitions(${ahead})`);
    expect(await refusal(call)).toMatchObject({ code: '22023' });
  });

  it('leaves no month out after nobody called it for long', async () => {
    for (const name of names(-1, 3)) await owner.query(`drop table audit.${name}`);
    await owner.query('select audit.make_partition(to_timestamp($1))', [month(-6) / 1000]);
    expect(await ensure(writer)).toBe(9);
    expect(await partitions()).toEqual(names(-6, 3));
  });

  it('is safe when several call it at once', async () => {
    for (const name of names(0, 3)) await owner.query(`drop table audit.${name}`);
    const sessions = await Promise.all([1, 2, 3, 4].map(() => database.as('audit_writer')));
    const made = await Promise.all(sessions.map((session) => ensure(session)));
    expect(made.sort()).toEqual([0, 0, 0, 4]);
    expect(await partitions()).toEqual(names(-1, 3));
  });

  it('gives each partition the trigger, for good, and row security', async () => {
    await ensure(writer, 6);
    const { rows } = await owner.query(
      `select c.relname, c.relrowsecurity, t.tgenabled from pg_inherits i join pg_class c on c.oid = i.inhrelid
       left join pg_trigger t on t.tgrelid = c.oid and t.tgname = 'append_only'
       where i.inhparent = 'audit.record'::regclass order by 1`,
    );
    expect(rows).toEqual(names(-1, 6).map((relname) => ({ relname, relrowsecurity: true, tgenabled: 'A' })));
  });

  it('leaves a detached month as guarded as it was', async () => {
    await append(writer, 'acme~0~1', 0, [record('acme~0~1', 0, {}, month(0))]);
    await owner.query(`alter table audit.record detach partition audit.${nameOf(0)}`);
    expect(await refusal(owner.query(`truncate audit.${nameOf(0)}`))).toMatchObject({ code: '42501' });
    await owner.query(`grant select on audit.${nameOf(0)} to audit_reader`);
    const reader = await database.as('audit_reader');
    expect((await reader.query(`select from audit.${nameOf(0)}`)).rowCount).toBe(0);
  });
});

describe('append_batch', () => {
  it('stores a batch across the end of a month, once however it is sent again', async () => {
    const log = 'acme~0~1';
    const end = month(1);
    const rows = [end - 1, end - 1, end, end + 1].map((time, i) => record(log, i, {}, time));
    await append(writer, log, 0, rows.slice(0, 3));
    expect(await append(writer, log, 1, rows.slice(1))).toEqual({ head: '4', last_leaf: rows[3]!.leaf });
    // The same index with a time in the other month would be another row by the table's key.
    const moved = record(log, 0, {}, end);
    expect(await refusal(append(writer, log, 0, [moved]))).toMatchObject({ code: 'AL002' });
    const { rows: stored } = await owner.query(
      'select index::int, tableoid::regclass::text as part from audit.record order by index',
    );
    const [one, two] = [`audit.${nameOf(0)}`, `audit.${nameOf(1)}`];
    expect(stored.map(({ index, part }) => [index, part])).toEqual([
      [0, one],
      [1, one],
      [2, two],
      [3, two],
    ]);
  });

  it('lets two sessions store one index in two months neither at once nor after', async () => {
    const log = 'acme~0~1';
    await append(writer, log, 0, [record(log, 0, {}, month(0))]);
    const other = await database.as('audit_writer');
    await writer.query('begin');
    await append(writer, log, 1, [record(log, 1, {}, month(0))]);
    const late = refusal(append(other, log, 1, [record(log, 1, {}, month(1))]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writer.query('commit');
    expect(await late).toMatchObject({ code: 'AL002' });
    expect((await owner.query('select from audit.record')).rowCount).toBe(2);
  });

  it('says 23514 without a constraint when a month is missing, and nothing is stored', async () => {
    await owner.query(`drop table audit.${nameOf(0)}`);
    const log = 'acme~0~1';
    const row = record(log, 0, {}, month(0) + 5);
    const found = await refusal(append(writer, log, 0, [row]));
    expect(found.code).toBe('23514');
    expect(found.constraint).toBeUndefined();
    expect(await ensure(writer)).toBe(1);
    expect((await append(writer, log, 0, [row])).head).toBe('1');
  });

  it('says so of a month too far ahead as well', async () => {
    const row = record('acme~0~1', 0, {}, month(7));
    expect(await refusal(append(writer, 'acme~0~1', 0, [row]))).toMatchObject({
      code: '23514',
      constraint: undefined,
    });
    await ensure(writer, 7);
    expect((await append(writer, 'acme~0~1', 0, [row])).head).toBe('1');
  });

  it('makes the months of the past that records still to be sent are in', async () => {
    const log = 'acme~0~1';
    const rows = [month(-8), month(-6) + 1, month(0)].map((time, i) => record(log, i, {}, time));
    const others = rows.map((row, i) => record('acme~1~1', i, {}, row.time));
    const second = await database.as('audit_writer');
    const heads = await Promise.all([append(writer, log, 0, rows), append(second, 'acme~1~1', 0, others)]);
    expect(heads.map(({ head }) => head)).toEqual(['3', '3']);
    expect(await partitions()).toEqual(expect.arrayContaining([nameOf(-8), nameOf(-7), nameOf(-6)]));
    expect(await refusal(owner.query(`truncate audit.${nameOf(-8)}`))).toMatchObject({ code: '42501' });
  });
});
