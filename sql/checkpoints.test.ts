import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { append, type Cluster, type Database, records, refusal, startCluster } from './harness.ts';

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let owner: pg.Client;
let logs = 0;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  writer = await database.as('audit_writer');
  owner = await database.as('audit_owner');
});
afterAll(() => cluster.stop());

/** A log of some records that no other test uses. */
async function newLog(count: number): Promise<string> {
  const log = `acme~${logs++}~1`;
  await append(writer, log, 0, records(log, 0, count));
  return log;
}

const root = (byte: number) => Buffer.alloc(32, byte);
const noteOf = (size: number, byte: number) =>
  `gateway.test/log\n${size}\n${root(byte).toString('base64')}\n\n\u2014 gateway.test AAAA\n`;
const store = async (log: string, size: number, byte: number, note = noteOf(size, byte), by = writer) =>
  (await by.query('select * from audit.store_checkpoint($1, $2, $3, $4)', [log, size, root(byte), note]))
    .rows[0] as { size: string; root: string; note: string; signed_ms: string };
const last = async (log: string) =>
  (await writer.query('select * from audit.last_checkpoint($1)', [log])).rows as object[];

describe('store_checkpoint', () => {
  it('gives back what it stored, and says when', async () => {
    const log = await newLog(3);
    expect(await last(log)).toEqual([]);
    const stored = await store(log, 2, 1);
    expect(stored).toMatchObject({ size: '2', root: '01'.repeat(32), note: noteOf(2, 1) });
    expect(Math.abs(Number(stored.signed_ms) - Date.now())).toBeLessThan(60_000);
    expect(await last(log)).toEqual([stored]);
  });

  it('takes the same one again, and then a larger one', async () => {
    const log = await newLog(3);
    const first = await store(log, 2, 1);
    expect(await store(log, 2, 1)).toEqual(first);
    expect(await store(log, 3, 2)).toMatchObject({ size: '3' });
  });

  it.each([
    ['a smaller size', 1, 1, undefined],
    ['another root at the same size', 2, 2, undefined],
    ['another note at the same size', 2, 1, `${noteOf(2, 1)}\u2014 other BBBB\n`],
  ])('refuses %s', async (_what, size, byte, note) => {
    const log = await newLog(3);
    const first = await store(log, 2, 1);
    expect(await refusal(store(log, size, byte, note))).toMatchObject({ code: 'AL003' });
    expect(await last(log)).toEqual([first]);
  });

  it('refuses a size that the log has not reached, and one of a log that is not there', async () => {
    expect(await refusal(store(await newLog(3), 4, 1))).toMatchObject({ code: 'AL001' });
    expect(await refusal(store('acme~9999~1', 1, 1))).toMatchObject({ code: 'AL001' });
    expect(await refusal(store('acme', 1, 1))).toMatchObject({ code: '22023' });
    expect(await refusal(store(await newLog(3), 0, 1))).toMatchObject({ code: '22023' });
  });

  it('refuses a note that says something else than its row', async () => {
    const log = await newLog(3);
    for (const note of [noteOf(3, 1), noteOf(2, 2), 'x']) {
      const constraint = 'checkpoint_is_its_note';
      expect(await refusal(store(log, 2, 1, note))).toMatchObject({ code: '23514', constraint });
    }
  });

  it('lets one of two sessions win that store different ones at the same time', async () => {
    const log = await newLog(3);
    const sessions = await Promise.all([1, 2].map(() => database.as('audit_writer')));
    const ended = await Promise.allSettled(sessions.map((by, i) => store(log, 3, i, noteOf(3, i), by)));
    expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const { rows } = await owner.query('select size from audit.checkpoint where log = $1', [log]);
    expect(rows).toHaveLength(1);
  });
});

describe('store_cosignature', () => {
  const cosign = async (log: string, size: number, byte: number, line = 'line') =>
    (
      await writer.query(`select audit.store_cosignature($1, $2, $3, 'w', '0a0b0c0d', 5, $4) as answer`, [
        log,
        size,
        root(byte),
        line,
      ])
    ).rows[0].answer as string;

  it('keeps one of a witness under one checkpoint', async () => {
    const log = await newLog(3);
    await store(log, 2, 1);
    expect(await cosign(log, 2, 1)).toBe('stored');
    expect(await cosign(log, 2, 1, 'a later line')).toBe('known');
    const { rows } = await owner.query('select line, tenant from audit.cosignature where log = $1', [log]);
    expect(rows).toEqual([{ line: 'line', tenant: 'acme' }]);
  });

  it('keeps none under what is no checkpoint of the log', async () => {
    const log = await newLog(3);
    await store(log, 2, 1);
    for (const [size, byte] of [
      [3, 1],
      [2, 2],
    ] as const) {
      expect(await cosign(log, size, byte)).toBe('no_checkpoint');
    }
    expect(await refusal(cosign('acme', 2, 1))).toMatchObject({ code: '22023' });
  });
});
