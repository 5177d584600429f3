import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NeonQueryFunction, neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_BYTES, type Neon, startNeon } from './neon.ts';
import { type Postgres, startPostgres } from './postgres.ts';

let dir: string;
let postgres: Postgres;
let endpoint: Neon;
let url: string;
let sql: NeonQueryFunction<false, true>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'local-neon-'));
  postgres = await startPostgres({ dir, durable: false });
  await postgres.createDatabase('app');
  endpoint = await startNeon({ databasePort: postgres.port, timeoutMs: 2_000 });
  neonConfig.fetchEndpoint = endpoint.url;
  // Host and port are the endpoint's to know; the driver only wants some.
  url = postgres.url('audit_owner', 'app').replace(/@.*\//, '@db.example:1/');
  sql = neon(url, { fullResults: true });
  await sql`create table t (id int primary key, a text, constraint short check (length(a) < 5))`;
});
afterAll(async () => {
  await endpoint.stop();
  await postgres.stop();
  await rm(dir, { recursive: true });
});

const post = (headers: { [name: string]: string }, body: string, path = '') =>
  fetch(`${endpoint.url}${path}`, { method: 'POST', headers, body });
const headers = () => ({
  'Neon-Connection-String': url,
  'Neon-Raw-Text-Output': 'true',
  'Neon-Array-Mode': 'true',
});

describe('the endpoint', () => {
  const message = async (response: Response) => [response.status, typeof (await response.json()).message];

  it('wants a connection string, raw text and a statement', async () => {
    const good = JSON.stringify({ query: 'select 1', params: [] });
    const { 'Neon-Connection-String': _, ...bare } = headers();
    expect(await message(await post(bare, good))).toEqual([400, 'string']);
    for (const bad of ['', 'x', 'mysql://u:p@h/d', 'postgresql://h/d', 'postgresql://%ff:p@h/d']) {
      expect(await message(await post({ ...headers(), 'Neon-Connection-String': bad }, good))).toEqual([
        400,
        'string',
      ]);
    }
    expect(await message(await post({ ...headers(), 'Neon-Raw-Text-Output': 'false' }, good))).toEqual([
      400,
      'string',
    ]);
    for (const bad of [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '{"query":1}',
      '{"query":"select 1","params":1}',
      '{"queries":{}}',
      '{"queries":[1]}',
      '{"query":"select 1\\u0000"}',
    ]) {
      expect(await message(await post(headers(), bad))).toEqual([400, 'string']);
    }
    const batch = JSON.stringify({ queries: [{ query: 'select 1', params: [] }] });
    for (const bad of ['ReadCommitted; drop table t', 'toString', '']) {
      const response = await post({ ...headers(), 'Neon-Batch-Isolation-Level': bad }, batch);
      expect(await message(response)).toEqual([400, 'string']);
    }
    expect(await message(await post({ ...headers(), 'Neon-Batch-Read-Only': 'yes' }, batch))).toEqual([
      400,
      'string',
    ]);
    expect(await message(await post(headers(), good, '/x'))).toEqual([404, 'string']);
    expect(await message(await fetch(endpoint.url))).toEqual([404, 'string']);
  });

  it('answers in text or null', async () => {
    const body = JSON.stringify({ query: 'select 1 as n, null as z, $1::int + 1 as m', params: ['1'] });
    const lists = await (await post(headers(), body)).json();
    expect(lists).toMatchObject({
      rows: [['1', null, '2']],
      rowAsArray: true,
      rowCount: 1,
      command: 'SELECT',
    });
    const objects = await (await post({ ...headers(), 'Neon-Array-Mode': 'false' }, body)).json();
    expect(objects).toMatchObject({ rows: [{ n: '1', z: null, m: '2' }], rowAsArray: false });
  });

  it('gives every field of an error, null where there is none', async () => {
    const error = await (await post(headers(), JSON.stringify({ query: 'select 1/0', params: [] }))).json();
    expect(error).toMatchObject({
      code: '22012',
      message: 'division by zero',
      detail: null,
      severity: 'ERROR',
    });
    expect(Object.keys(error)).toEqual(
      expect.arrayContaining([
        'hint',
        'position',
        'where',
        'table',
        'column',
        'schema',
        'dataType',
        'constraint',
        'file',
        'line',
        'routine',
      ]),
    );
  });

  it('passes NUL on to Postgres, which refuses it', async () => {
    await expect(sql`select ${'a\u0000b'}::text`).rejects.toMatchObject({ code: '22021' });
    await expect(sql`select ${'"\\u0000"'}::jsonb`).rejects.toMatchObject({ code: '22P05' });
  });

  it('reads a body that is too large to its end, then says so', async () => {
    const response = await post(headers(), 'x'.repeat(MAX_BYTES + 1));
    expect(await message(response)).toEqual([413, 'string']);
    const params = ['y'.repeat(MAX_BYTES - 200)];
    const full = await post(headers(), JSON.stringify({ query: 'select length($1) as n', params }));
    expect((await full.json()).rows).toEqual([[String(MAX_BYTES - 200)]]);
  });

  it('sends no answer that is too large, and goes on', async () => {
    const big = { query: `select repeat('x', 1000) from generate_series(1, $1)`, params: ['11000'] };
    expect(await message(await post(headers(), JSON.stringify(big)))).toEqual([507, 'string']);
    // Too large only when written as JSON.
    const escaped = { query: `select repeat(E'\\n', 6000000)`, params: [] };
    expect(await message(await post(headers(), JSON.stringify(escaped)))).toEqual([507, 'string']);
    const queries = { queries: [{ query: `insert into t values (40, 'x')` }, { ...big }] };
    expect(await message(await post(headers(), JSON.stringify(queries)))).toEqual([507, 'string']);
    expect((await sql`select from t where id = 40`).rowCount).toBe(0);
  });

  const sleeping = async () =>
    (await sql`select from pg_stat_activity where query like 'select pg_sleep(%' and state = 'active'`)
      .rowCount;
  const noneSleeps = async () => {
    for (let i = 0; i < 40 && (await sleeping()) > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await sleeping()).toBe(0);
  };

  it('gives up after its time, and so does the database', async () => {
    const all = Array.from({ length: 10 }, () =>
      post(headers(), JSON.stringify({ query: 'select pg_sleep(30)', params: [] })),
    );
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([504]));
    await noneSleeps();
  });

  it('cancels what a client that went away has asked for', async () => {
    const abort = new AbortController();
    // The driver sends nothing until somebody waits for the answer.
    const asked = sql
      .query('select pg_sleep(30)', [], { fetchOptions: { signal: abort.signal } })
      .catch((error) => error.sourceError.name);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await sleeping()).toBe(1);
    abort.abort();
    expect(await asked).toBe('AbortError');
    await noneSleeps();
  });

  it('survives a client that stops in the middle of its body', async () => {
    const socket = connect(Number(new URL(endpoint.url).port), '127.0.0.1');
    socket.write('POST /sql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"que');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await sql`select 1 as one`).rows).toEqual([{ one: 1 }]);
  });

  it('serves more requests at once than it has connections', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => sql`select ${i}::int as i`));
    expect(answers.map(({ rows }) => rows[0]!.i)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('keeps few connections however many logins there are', async () => {
    for (let i = 0; i < 40; i++) await neon(`${url}?application_name=app-${i}`)`select 1`;
    const [{ n }] = (await neon(postgres.adminUrl)`
      select count(*)::int as n from pg_stat_activity where application_name like 'app-%'`) as [
      { n: number },
    ];
    expect(n).toBeLessThanOrEqual(16);
  });
});

it('answers 500 without a word of the connection while the database is down, and goes on after', async () => {
  const other = join(dir, 'other');
  let database = await startPostgres({ dir: other, durable: false });
  const { port } = database;
  const local = await startNeon({ databasePort: port });
  const ask = async (query: string) => {
    const body = JSON.stringify({ query, params: [] });
    const response = await fetch(local.url, {
      method: 'POST',
      headers: { ...headers(), 'Neon-Connection-String': database.adminUrl },
      body,
    });
    return { status: response.status, text: await response.text() };
  };
  try {
    expect((await ask('select 1')).status).toBe(200);
    const during = ask('select pg_sleep(30)');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await database.stop();
    // The shutdown itself has a SQLSTATE of its own.
    expect((await during).text).toContain('57P01');
    const down = await ask('select 1');
    expect(down.status).toBe(500);
    expect(down.text).not.toMatch(new RegExp(`${port}|postgres:|${database.password('postgres')}`));
    database = await startPostgres({ dir: other, port, durable: false });
    expect((await ask('select 1')).status).toBe(200);
  } finally {
    await local.stop();
    await database.stop();
  }
});

it('names the remedy when its port is taken', async () => {
  const port = Number(new URL(endpoint.url).port);
  await expect(startNeon({ databasePort: 1, port })).rejects.toThrow(new RegExp(`^Port ${port} is taken: `));
});
