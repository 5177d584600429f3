import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { newToken } from '../core/personal.ts';
import { type Cluster, type Database, refusal, startCluster } from './harness.ts';

// The copy of the vaults: what arrives late, twice, or beside another call.

let cluster: Cluster;
let database: Database;
let writer: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
});

beforeEach(async () => {
  database = await cluster.fresh();
  writer = await database.as('audit_writer');
  owner = await database.as('audit_owner');
});

afterAll(async () => {
  await cluster?.stop();
});

const row = (token: string, jwe = 'jwe') => ({ token, kid: 'v1', jwe });
const copy = (rows: readonly object[], erased: readonly string[] = [], client = writer, tenant = 'acme') =>
  client.query('select audit.copy_personal($1, $2::jsonb, $3::jsonb)', [
    ...[tenant, JSON.stringify(rows), JSON.stringify(erased)],
  ]);
const kept = async () =>
  (await owner.query('select tenant, token, jwe from audit.personal order by 1, 2')).rows;

it('is kept once, and replaced by what comes later', async () => {
  const token = newToken(0);
  await copy([row(token)]);
  await copy([row(token, 'under another key')]);
  expect(await kept()).toEqual([{ tenant: 'acme', token, jwe: 'under another key' }]);
});

it('is gone for good once its value was erased, however late a copy arrives', async () => {
  const [token, other] = [newToken(0), newToken(0)];
  await copy([row(token), row(other)]);
  await copy([], [token]);
  await copy([], [token]);
  await copy([row(token)]);
  expect(await kept()).toEqual([{ tenant: 'acme', token: other, jwe: 'jwe' }]);
});

it('does not come back when the copy and the erasure cross', async () => {
  const token = newToken(0);
  const late = await database.as('audit_writer');
  await late.query('begin');
  await copy([row(token)], [], late);
  const erasing = copy([], [token]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await late.query('commit');
  await erasing;
  expect(await kept()).toEqual([]);
});

it('of one tenant is not another’s, nor erased by it', async () => {
  const token = newToken(0);
  await copy([row(token)]);
  await copy([], [token], writer, 'globex');
  expect(await kept()).toHaveLength(1);
});

it('takes nothing but tokens', async () => {
  expect(await refusal(copy([row('alice')]))).toMatchObject({ code: '23514' });
  expect(await refusal(writer.query(`select audit.copy_personal('acme', '{}', '[]')`))).toMatchObject({
    code: '22023',
  });
});

it('says whose values an old key still encrypts', async () => {
  await copy([row(newToken(0))]);
  const waiting = async (kid: string) =>
    (await writer.query('select tenant from audit.tenants_to_rekey($1)', [kid])).rows;
  expect(await waiting('v2')).toEqual([{ tenant: 'acme' }]);
  expect(await waiting('v1')).toEqual([]);
});

it('has keys retired for one tenant each, and those of before for all', async () => {
  const retired = async (tenant: string) => {
    const reader = await database.as('audit_reader');
    await reader.query(`select set_config('audit.tenant', $1, false)`, [tenant]);
    return (await reader.query('select key_id from audit.retired_key order by 1')).rows.map(
      (row) => row.key_id,
    );
  };
  await owner.query(`insert into audit.retired_key (key_id, request_id) values ('k0', 'before')`);
  await writer.query(`select audit.retire_key('acme', 'k1', 'request')`);
  await writer.query(`select audit.retire_key('acme', 'k1', 'again')`);
  expect([await retired('acme'), await retired('globex')]).toEqual([['k0', 'k1'], ['k0']]);
  expect(await refusal(writer.query(`select audit.retire_key(null, 'k1', 'request')`))).toMatchObject({
    code: '22023',
  });
});
