import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafHash } from '../core/record.ts';
import { append, type Cluster, type Database, record, records, refusal, startCluster } from './harness.ts';

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let owner: pg.Client;
let logs = 0;

/** A log that no other test uses. */
const newLog = (tenant = 'acme') => `${tenant}~${logs++}~1`;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  writer = await database.as('audit_writer');
  owner = await database.as('audit_owner');
});
afterAll(() => cluster.stop());

const state = async (log: string) =>
  (await writer.query('select * from audit.log_state($1)', [log])).rows[0] as object;
const leafAt = async (log: string, index: number) =>
  (await writer.query('select * from audit.leaf_at($1, $2)', [log, index])).rows;
const stored = async (log: string) =>
  (
    await owner.query(
      `select index::int, canonical, encode(leaf, 'hex') as leaf from audit.record where log = $1 order by index`,
      [log],
    )
  ).rows;

describe('append_batch', () => {
  it('stores the exact text with the leaf hash that core computes', async () => {
    const log = newLog();
    const awkward = {
      actor: { issuer: 'https://idp', sub: 'Zoë "\\ \u2028\u007f 😀' },
      acting_party: "'; --",
    };
    const rows = [record(log, 0, awkward), record(log, 1), record(log, 2)];
    const head = await append(writer, log, 0, rows);
    expect(head).toEqual({ head: '3', last_leaf: rows[2]!.leaf });
    expect(await stored(log)).toEqual(
      rows.map((r) => ({ index: r.place.index, canonical: r.text, leaf: r.leaf })),
    );
    expect(await leafAt(log, 1)).toEqual([{ leaf: rows[1]!.leaf }]);
    expect(await leafAt(log, 3)).toEqual([]);
  });

  it('computes the query columns from the text', async () => {
    const log = newLog();
    const row = record(log, 0, {
      phase: 'correction',
      actor: { issuer: 'https://idp', sub: 'alice' },
      action: 'write',
      operation: 'oss.memories.add',
      decision: 'allow',
      reasons: ['a', 'b'],
      outcome: { result: 'failure', status: 502 },
      count: 7,
    });
    await append(writer, log, 0, [row]);
    const { rows } = await owner.query(
      `select at, time_ms::float8, tenant, phase, request_id, actor_issuer, actor_sub, action, operation, decision,
        reasons, result, count from audit.record where log = $1`,
      [log],
    );
    expect(rows).toEqual([
      {
        at: new Date(row.time),
        time_ms: row.time,
        tenant: 'acme',
        phase: 'correction',
        request_id: 'request-0',
        actor_issuer: 'https://idp',
        actor_sub: 'alice',
        action: 'write',
        operation: 'oss.memories.add',
        decision: 'allow',
        reasons: ['a', 'b'],
        result: 'failure',
        count: 7,
      },
    ]);
  });

  it('takes a call again, whole and in part, and goes on behind it', async () => {
    const log = newLog();
    const rows = records(log, 0, 6);
    await append(writer, log, 0, rows.slice(0, 4));
    expect(await append(writer, log, 0, rows.slice(0, 4))).toEqual({ head: '4', last_leaf: rows[3]!.leaf });
    // A repeat of the beginning answers with the whole log's head.
    expect(await append(writer, log, 0, rows.slice(0, 2))).toEqual({ head: '4', last_leaf: rows[3]!.leaf });
    expect(await append(writer, log, 2, rows.slice(2))).toEqual({ head: '6', last_leaf: rows[5]!.leaf });
    expect(await stored(log)).toHaveLength(6);
  });

  it('takes no records at all', async () => {
    const log = newLog();
    expect(await append(writer, log, 0, [])).toEqual({ head: '0', last_leaf: null });
    await append(writer, log, 0, records(log, 0, 2));
    expect((await append(writer, log, 2, [])).head).toBe('2');
    expect(await refusal(append(writer, log, 3, []))).toMatchObject({ code: 'AL001' });
  });

  it('refuses a gap, and keeps nothing of the call', async () => {
    const log = newLog();
    await append(writer, log, 0, records(log, 0, 2));
    expect(await refusal(append(writer, log, 3, records(log, 3, 2)))).toMatchObject({ code: 'AL001' });
    expect(await refusal(append(writer, newLog(), 1, [record('acme~9999~1', 1)]))).toMatchObject({
      code: 'AL001',
    });
    expect(await state(log)).toMatchObject({ head: '2' });
  });

  it('refuses other bytes at an index that is there, and keeps nothing of the call', async () => {
    const log = newLog();
    const rows = records(log, 0, 3);
    await append(writer, log, 0, rows);
    const forged = record(log, 1, { decision: 'deny' });
    const { code, text } = await refusal(
      append(writer, log, 0, [rows[0]!, forged, rows[2]!, record(log, 3)]),
    );
    expect(code).toBe('AL002');
    expect(text).toContain(`log ${log} holds another record at index 1`);
    expect(await state(log)).toMatchObject({ head: '3', last_leaf: rows[2]!.leaf });
    expect(await stored(log)).toHaveLength(3);
  });

  it('stores one set of records when two sessions append the same range', async () => {
    const log = newLog();
    const rows = records(log, 0, 200);
    const sessions = await Promise.all([1, 2, 3].map(() => database.as('audit_writer')));
    const heads = await Promise.all(sessions.map((session) => append(session, log, 0, rows)));
    expect(heads).toEqual(Array(3).fill({ head: '200', last_leaf: rows[199]!.leaf }));
    expect(await stored(log)).toHaveLength(200);
  });

  it('lets one of two sessions win when they append different records', async () => {
    const log = newLog();
    const [one, two] = await Promise.all([database.as('audit_writer'), database.as('audit_writer')]);
    const sent = [record(log, 0, { request_id: 'one' }), record(log, 0, { request_id: 'two' })];
    const results = await Promise.allSettled([
      append(one, log, 0, [sent[0]!]),
      append(two, log, 0, [sent[1]!]),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = results.find((result) => result.status === 'rejected');
    expect(lost?.reason.code).toBe('AL002');
    expect(await stored(log)).toHaveLength(1);
  });

  it('holds the log until the transaction ends', async () => {
    const log = newLog();
    const [one, two] = await Promise.all([database.as('audit_writer'), database.as('audit_writer')]);
    await one.query('begin');
    await append(one, log, 0, records(log, 0, 2));
    let done = false;
    const waiting = append(two, log, 0, records(log, 0, 3)).finally(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(done).toBe(false);
    await one.query('rollback');
    expect((await waiting).head).toBe('3');
  });

  it.each([
    ['a name without an epoch', 'acme~0'],
    ['epoch 0', 'acme~0~0'],
    ['a leading zero', 'acme~00~1'],
    ['a tenant that is none', 'ac:me~0~1'],
    ['a reserved tenant that is none', '~others~0~1'],
    ['a line end behind it', 'acme~0~1\n'],
    ['a line end before it', 'x\nacme~0~1'],
    ['letters outside ASCII', 'ácme~0~1'],
    ['a tenant of 65 characters', `${'a'.repeat(65)}~0~1`],
    ['nothing', ''],
  ])('refuses as the name of a log: %s', async (_what, log) => {
    expect(await refusal(append(writer, log, 0, []))).toMatchObject({ code: '22023' });
    const quarantine = writer.query('select audit.quarantine($1, 0, $2, $3)', [
      log,
      Buffer.from('x'),
      '22P05',
    ]);
    expect(await refusal(quarantine)).toMatchObject({ code: '22023' });
    expect(await refusal(state(log))).toMatchObject({ code: '22023' });
  });

  it.each([
    ['a negative index', -1, '[]'],
    ['an object', 0, '{}'],
    ['a list of objects', 0, '[{}]'],
    ['a list with null', 0, '["{}", null]'],
    ['a list of lists', 0, '[["{}"]]'],
    ['null', 0, 'null'],
  ])('refuses as arguments: %s', async (_what, first, rows) => {
    const call = writer.query('select audit.append_batch($1, $2, $3)', [newLog(), first, rows]);
    expect(await refusal(call)).toMatchObject({ code: '22023' });
  });
});

describe('log_state', () => {
  it('knows the highest epoch of the shard, and of no other', async () => {
    for (const log of ['epochs~0~1', 'epochs~0~12', 'epochs~1~30', 'epochs2~0~40']) {
      await append(writer, log, 0, records(log, 0, 1));
    }
    expect(await state('epochs~0~13')).toEqual({ head: '0', last_leaf: null, highest_epoch: 12 });
    expect(await state('epochs~0~1')).toMatchObject({ head: '1', highest_epoch: 12 });
    expect(await state('~strangers~0~1')).toEqual({ head: '0', last_leaf: null, highest_epoch: 0 });
  });
});

describe('a record that Postgres will not take', () => {
  const poison = (log: string, index: number) => record(log, index, { acting_party: 'sec\u0000ret' });

  it.each([
    ['U+0000', (log: string) => poison(log, 1).text, /^22P05$/, undefined],
    ['no JSON', () => '{"secret', /^22P02$/, undefined],
    ['a list', () => '["secret"]', /^22008$/, undefined],
    ['a time beyond any clock', (log: string) => record(log, 1, {}, 9e15).text, /^22008$/, undefined],
    ['a time beyond bigint', (log: string) => record(log, 1, {}, 1e20).text, /^22003$/, undefined],
    ['a time before any clock', (log: string) => record(log, 1, {}, 0).text, /^22008$/, undefined],
    ['a time with a fraction', (log: string) => record(log, 1, {}, 1.8e12 + 0.5).text, /^22P02$/, undefined],
    ['another index', (log: string) => record(log, 2).text, /^23514$/, 'record_index_is_in_text'],
    [
      'another log',
      () => record('secret~0~1', 1, { tenant: 'acme' }).text,
      /^23514$/,
      'record_log_is_in_text',
    ],
    [
      'another tenant',
      (log: string) => record(log, 1, { tenant: 'secret' }).text,
      /^23514$/,
      'record_tenant_is_the_logs',
    ],
    ['a count beyond integer', (log: string) => record(log, 1, { count: 1e12 }).text, /^22003$/, undefined],
    [
      'no decision',
      (log: string) => record(log, 1).text.replace('"decision"', '"secret"'),
      /^23502$/,
      undefined,
    ],
  ])('is refused with nothing of its content in the error: %s', async (_what, text, code, constraint) => {
    const log = newLog();
    const good = record(log, 0);
    const found = await refusal(append(writer, log, 0, [good, text(log)]));
    expect(found.code).toMatch(code);
    expect(found.constraint).toBe(constraint);
    expect(found.text).not.toContain('secret');
    // The rest of the batch is not lost with it.
    expect(await state(log)).toMatchObject({ head: '0' });
    expect((await append(writer, log, 0, [good])).head).toBe('1');
  });

  it('is set aside as bytes, in its place, and the log goes on', async () => {
    const log = newLog();
    const bad = poison(log, 1);
    const bytes = Buffer.from(bad.text);
    const quarantine = (index: number, b: Buffer) =>
      writer.query('select * from audit.quarantine($1, $2, $3, $4)', [log, index, b, '22P05']);
    await append(writer, log, 0, [record(log, 0)]);
    expect(await refusal(quarantine(2, bytes))).toMatchObject({ code: 'AL001' });
    expect((await quarantine(1, bytes)).rows).toEqual([{ head: '2', last_leaf: leafHash(bytes) }]);
    expect((await quarantine(1, bytes)).rows).toEqual([{ head: '2', last_leaf: leafHash(bytes) }]);
    expect(await leafAt(log, 1)).toEqual([{ leaf: bad.leaf }]);
    expect(await refusal(quarantine(1, Buffer.from('other')))).toMatchObject({ code: 'AL002' });
    expect(await refusal(quarantine(0, Buffer.from(record(log, 0).text)))).toMatchObject({ code: 'AL002' });

    // A batch over it is compared with the bytes that were set aside.
    const rows = [record(log, 0), bad, record(log, 2)];
    expect((await append(writer, log, 0, rows)).head).toBe('3');
    expect(await refusal(append(writer, log, 0, [rows[0]!, record(log, 1)]))).toMatchObject({
      code: 'AL002',
    });
    expect((await quarantine(1, bytes)).rows).toEqual([{ head: '3', last_leaf: rows[2]!.leaf }]);
  });

  it('is set aside only with a SQLSTATE', async () => {
    const call = writer.query('select audit.quarantine($1, 0, $2, $3)', [
      newLog(),
      Buffer.from('x'),
      'free text',
    ]);
    expect(await refusal(call)).toMatchObject({ code: '22023' });
  });
});

describe('stored_records', () => {
  const from = async (log: string, first: number) =>
    (
      await writer.query('select index::int, canonical, bytes, leaf from audit.stored_records($1, $2)', [
        log,
        first,
      ])
    ).rows;

  it('gives what is stored from an index on, in order, quarantined records as bytes', async () => {
    const log = newLog();
    const rows = records(log, 0, 3);
    await append(writer, log, 0, rows.slice(0, 2));
    const bytes = Buffer.from('{"a":"\\u0000"}');
    await writer.query('select audit.quarantine($1, 2, $2, $3)', [log, bytes, '22P05']);
    expect(await from(log, 1)).toEqual([
      { index: 1, canonical: rows[1]!.text, bytes: null, leaf: null },
      { index: 2, canonical: null, bytes: bytes.toString('hex'), leaf: null },
    ]);
    expect(await from(log, 3)).toEqual([]);
    expect(await from(newLog(), 0)).toEqual([]);
  });

  it('gives a page, and always one record', async () => {
    const log = newLog();
    await append(writer, log, 0, records(log, 0, 600));
    expect(await from(log, 0)).toHaveLength(500);
    expect(await from(log, 500)).toHaveLength(100);
    const large = newLog();
    const session = 'x'.repeat(1_500_000);
    await append(
      writer,
      large,
      0,
      [0, 1, 2].map((index) => record(large, index, { session })),
    );
    expect(await from(large, 0)).toHaveLength(2);
    expect(await from(large, 2)).toHaveLength(1);
  });
});
