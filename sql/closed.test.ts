import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { append, type Cluster, type Database, record, records, refusal, startCluster } from './harness.ts';

// An epoch that has a successor takes no more records.

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let other: pg.Client;
let tenants = 0;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  [writer, other] = await Promise.all([database.as('audit_writer'), database.as('audit_writer')]);
});
afterAll(() => cluster.stop());

/** A tenant that no other test uses. */
const newTenant = () => `tenant${tenants++}`;

/** A log of two records, and the third, which is not stored. */
async function begun() {
  const tenant = newTenant();
  const log = `${tenant}~0~1`;
  const rows = records(log, 0, 3);
  await append(writer, log, 0, rows.slice(0, 2));
  return { tenant, log, third: rows.slice(2) };
}

const quarantine = (log: string, index: number, bytes: Buffer) =>
  writer.query(`select * from audit.quarantine($1, $2, $3, '22P05')`, [log, index, bytes]);
const headOf = async (log: string) =>
  (await writer.query('select head, highest_epoch from audit.log_state($1)', [log])).rows[0];

/** Whether a call is still waiting after a while in which it would have ended. */
async function waits(call: Promise<unknown>): Promise<boolean> {
  const done = call.then(
    () => false,
    () => false,
  );
  return Promise.race([done, new Promise<boolean>((resolve) => setTimeout(resolve, 200, true))]);
}

describe('a closed epoch', () => {
  it('takes no record, as text or as bytes', async () => {
    const tenant = newTenant();
    const rows = records(`${tenant}~0~1`, 0, 4);
    await append(writer, `${tenant}~0~1`, 0, rows.slice(0, 2));
    await append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    for (const call of [
      () => append(writer, `${tenant}~0~1`, 2, rows.slice(2)),
      () => append(writer, `${tenant}~0~1`, 0, rows),
      () => quarantine(`${tenant}~0~1`, 2, Buffer.from('x')),
    ]) {
      expect(await refusal(call())).toMatchObject({ code: 'AL004' });
    }
    expect(await headOf(`${tenant}~0~1`)).toEqual({ head: '2', highest_epoch: 2 });
  });

  it('that was skipped leaves no head behind', async () => {
    const tenant = newTenant();
    await append(writer, `${tenant}~0~3`, 0, records(`${tenant}~0~3`, 0, 1));
    const late = append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    expect(await refusal(late)).toMatchObject({ code: 'AL004' });
    const owner = await database.as('audit_owner');
    const { rows } = await owner.query('select epoch from audit.log_head where tenant = $1', [tenant]);
    expect(rows).toEqual([{ epoch: 3 }]);
  });

  it('says again that it has what it has', async () => {
    const tenant = newTenant();
    const log = `${tenant}~0~1`;
    const rows = records(log, 0, 2);
    await append(writer, log, 0, rows);
    await quarantine(log, 2, Buffer.from('x'));
    await append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    expect(await append(writer, log, 0, rows)).toMatchObject({ head: '3' });
    expect(await append(writer, log, 3, [])).toMatchObject({ head: '3' });
    expect((await quarantine(log, 2, Buffer.from('x'))).rows).toMatchObject([{ head: '3' }]);
    const forged = append(writer, log, 0, [record(log, 0, { decision: 'deny' })]);
    expect(await refusal(forged)).toMatchObject({ code: 'AL002' });
  });

  it('gets checkpoints', async () => {
    const tenant = newTenant();
    const log = `${tenant}~0~1`;
    await append(writer, log, 0, records(log, 0, 2));
    await append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    const root = Buffer.alloc(32, 1);
    const note = `gateway.test/log\n2\n${root.toString('base64')}\n\n\u2014 gateway.test AAAA\n`;
    const { rows } = await writer.query('select size from audit.store_checkpoint($1, 2, $2, $3)', [
      ...[log, root, note],
    ]);
    expect(rows).toEqual([{ size: '2' }]);
  });

  it('closes no other shard, no other tenant and no later epoch', async () => {
    const tenant = newTenant();
    const open = [`${tenant}~1~1`, `${tenant}~10~1`, `${tenant}x~0~1`, `${tenant}~0~3`];
    for (const log of [`${tenant}~0~2`, ...open]) await append(writer, log, 0, records(log, 0, 1));
    for (const log of open)
      expect(await append(writer, log, 1, [record(log, 1)])).toMatchObject({ head: '2' });
  });
});

describe('close_log', () => {
  const close = async (client: pg.Client, log: string, end: number | null) =>
    (await client.query('select audit.close_log($1, $2) as closed', [log, end])).rows[0].closed;

  it('ends a log where it ends, and again; what comes late is refused', async () => {
    const { tenant, log, third } = await begun();
    expect([await close(writer, log, 2), await close(writer, log, 2)]).toEqual([true, true]);
    expect(await refusal(append(writer, log, 2, third))).toMatchObject({ code: 'AL004' });
    expect(await refusal(quarantine(log, 2, Buffer.from('x')))).toMatchObject({ code: 'AL004' });
    expect(await headOf(log)).toEqual({ head: '2', highest_epoch: 2 });
    expect(await append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1))).toMatchObject({
      head: '1',
    });
    expect(await close(writer, log, 2)).toBe(true);
  });

  it('does not end a log that holds more, of either kind, and closes nothing', async () => {
    const tenant = newTenant();
    const log = `${tenant}~0~1`;
    await append(writer, log, 0, records(log, 0, 2));
    expect(await close(writer, log, 1)).toBe(false);
    await quarantine(log, 2, Buffer.from('x'));
    expect(await close(writer, log, 2)).toBe(false);
    expect(await append(writer, log, 3, [record(log, 3)])).toMatchObject({ head: '4' });
    expect(await close(writer, log, 4)).toBe(true);
  });

  it('ends a log that nobody has seen, and knows what is none', async () => {
    const tenant = newTenant();
    expect(await close(writer, `${tenant}~0~7`, 0)).toBe(true);
    expect(await headOf(`${tenant}~0~7`)).toEqual({ head: '0', highest_epoch: 8 });
    expect(await refusal(close(writer, `${tenant}~0~7`, null))).toMatchObject({ code: '22023' });
    expect(await refusal(close(writer, tenant, 0))).toMatchObject({ code: '22023' });
  });

  it('waits for an append that is under way, and is told of it', async () => {
    const { log, third } = await begun();
    await other.query('begin');
    await append(other, log, 2, third);
    const closing = close(writer, log, 2);
    expect(await waits(closing)).toBe(true);
    await other.query('commit');
    expect(await closing).toBe(false);
    expect(await headOf(log)).toEqual({ head: '3', highest_epoch: 1 });
  });

  it('has an append wait, and be refused', async () => {
    const { log, third } = await begun();
    await other.query('begin');
    expect(await close(other, log, 2)).toBe(true);
    const late = append(writer, log, 2, third);
    expect(await waits(late)).toBe(true);
    await other.query('commit');
    expect(await refusal(late)).toMatchObject({ code: 'AL004' });
    expect(await headOf(log)).toEqual({ head: '2', highest_epoch: 2 });
  });
});

describe('an append at the moment at which its epoch is closed', () => {
  it('is refused when the first of the next epoch is on its way', async () => {
    const { tenant, log, third } = await begun();
    await other.query('begin');
    await append(other, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    const late = append(writer, log, 2, third);
    expect(await waits(late)).toBe(true);
    await other.query('commit');
    expect(await refusal(late)).toMatchObject({ code: 'AL004' });
    expect(await headOf(log)).toMatchObject({ head: '2' });
  });

  it('is stored when the next epoch does not come after all', async () => {
    const { tenant, log, third } = await begun();
    await other.query('begin');
    await append(other, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    const late = append(writer, log, 2, third);
    await other.query('rollback');
    expect(await late).toMatchObject({ head: '3' });
  });

  it('has the next epoch wait for it', async () => {
    const tenant = newTenant();
    await other.query('begin');
    await append(other, `${tenant}~0~1`, 0, records(`${tenant}~0~1`, 0, 2));
    const next = append(writer, `${tenant}~0~2`, 0, records(`${tenant}~0~2`, 0, 1));
    expect(await waits(next)).toBe(true);
    await other.query('commit');
    expect(await next).toMatchObject({ head: '1' });
    expect(await headOf(`${tenant}~0~1`)).toEqual({ head: '2', highest_epoch: 2 });
  });
});
