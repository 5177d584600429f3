import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { append, type Cluster, type Database, record, records, refusal, startCluster } from './harness.ts';

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let other: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  [writer, other] = await Promise.all([database.as('audit_writer'), database.as('audit_writer')]);
});
afterAll(() => cluster.stop());

const follow = (client: pg.Client, log: string, first: number, leaf: string | null) =>
  client.query('select audit.follow($1, $2, $3)', [log, first, leaf]);

const taking = async (run: Promise<unknown>) => {
  const begin = performance.now();
  await run;
  return performance.now() - begin;
};

describe('follow', () => {
  it('is at once at the beginning of a log, and behind a record that is there', async () => {
    const rows = records('acme~0~1', 0, 5);
    await append(writer, 'acme~0~1', 0, rows);
    expect(await taking(follow(writer, 'none~0~1', 0, null))).toBeLessThan(500);
    for (const [i, { leaf }] of rows.entries()) {
      expect(await taking(follow(writer, 'acme~0~1', i + 1, leaf))).toBeLessThan(500);
    }
  });

  it('waits for the batch in front, which is not kept waiting', async () => {
    const log = 'acme~1~1';
    const rows = records(log, 0, 4);
    await other.query('begin');
    const behind = other
      .query('select audit.follow($1, 2, $2)', [log, rows[1]!.leaf])
      .then(() => append(other, log, 2, rows.slice(2)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await append(writer, log, 0, rows.slice(0, 2))).toMatchObject({ head: '2' });
    expect(await behind).toEqual({ head: '4', last_leaf: rows[3]!.leaf });
    await other.query('commit');
  });

  it('gives up after a second, and append_batch says that there is a gap', async () => {
    const row = record('acme~2~1', 1);
    const took = await taking(follow(writer, 'acme~2~1', 1, row.leaf));
    expect(took).toBeGreaterThan(950);
    expect(took).toBeLessThan(5000);
    expect(await refusal(append(writer, 'acme~2~1', 1, [row]))).toMatchObject({ code: 'AL001' });
  });

  it('refuses another record in front, the last of the log or not, and one that is set aside', async () => {
    const log = 'acme~3~1';
    const rows = records(log, 0, 3);
    await append(writer, log, 0, rows);
    for (const first of [1, 2, 3]) {
      for (const leaf of ['00'.repeat(32), rows[first % 3]!.leaf, '', null]) {
        const refused = await refusal(follow(writer, log, first, leaf));
        expect(refused).toMatchObject({ code: 'AL002' });
        expect(refused.text).toContain(`log ${log} holds another record at index ${first - 1}`);
      }
    }
    await writer.query(`select audit.quarantine($1, 3, 'text', '22P05')`, [log]);
    const { rows: found } = await writer.query('select leaf from audit.leaf_at($1, 3)', [log]);
    await follow(writer, log, 4, found[0].leaf);
    expect(await refusal(follow(writer, log, 4, rows[2]!.leaf))).toMatchObject({ code: 'AL002' });
  });
});
