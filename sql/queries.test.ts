import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordMembers } from '../core/record.ts';
import { append, type Cluster, type Database, record, startCluster, thisMonth } from './harness.ts';

const README = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const QUERIES = new Map(
  [...README.matchAll(/^### ([^\n]+)\n[^#]*?^```sql\n(.*?)^```/gms)].map(([, heading, sql]) => [
    heading!,
    sql!,
  ]),
);

const LOG = 'acme~0~1';
const alice = { actor: { issuer: 'https://idp', sub: 'alice' } };
const bob = { actor: { issuer: 'https://idp', sub: 'bob' } };

/** Members of the records of `acme~0~1`, a minute apart. */
const SEED: readonly Partial<RecordMembers>[] = [
  { ...alice, request_id: 'add', phase: 'intent', action: 'write', operation: 'oss.memories.add' },
  {
    ...alice,
    request_id: 'add',
    action: 'write',
    operation: 'oss.memories.add',
    resource: { ids: ['m-1'] },
    outcome: { result: 'success', status: 200 },
  },
  {
    ...bob,
    request_id: 'search',
    action: 'read',
    operation: 'oss.search',
    resource: { ids: ['m-1', 'm-2'] },
    outcome: { result: 'success', status: 200 },
  },
  {
    ...bob,
    request_id: 'no',
    action: 'delete',
    operation: 'oss.memories.delete',
    decision: 'deny',
    reasons: ['role_denied'],
  },
  { ...bob, request_id: 'fast', decision: 'rate_limited', reasons: ['rate'] },
  { ...bob, request_id: 'fast+', decision: 'rate_limited', reasons: ['rate'], count: 41 },
  { ...alice, request_id: 'slow', phase: 'intent', action: 'delete', operation: 'oss.memories.delete' },
  {
    ...alice,
    request_id: 'slow',
    action: 'delete',
    operation: 'oss.memories.delete',
    reasons: ['orphaned'],
    outcome: { result: 'unknown' },
  },
  { ...alice, request_id: 'late', phase: 'intent', action: 'write', operation: 'oss.memories.update' },
  {
    ...alice,
    request_id: 'late',
    action: 'write',
    operation: 'oss.memories.update',
    outcome: { result: 'unknown' },
  },
  {
    ...alice,
    request_id: 'late',
    phase: 'correction',
    action: 'write',
    operation: 'oss.memories.update',
    outcome: { result: 'failure', status: 502 },
  },
  {
    ...bob,
    request_id: 'search',
    phase: 'event',
    reasons: ['isolation_breach'],
    operation: 'oss.search',
    detail: { rows: 1 },
  },
  {
    ...alice,
    request_id: 'audit',
    action: 'audit_read',
    operation: 'governance.records',
    roles: ['auditor'],
    outcome: { result: 'success', status: 200 },
  },
];

let cluster: Cluster;
let database: Database;
let reader: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
  database = await cluster.fresh();
  const writer = await database.as('audit_writer');
  [reader, owner] = await Promise.all([database.as('audit_reader'), database.as('audit_owner')]);
  const rows = SEED.map((members, i) => record(LOG, i, members, thisMonth() + i * 60_000));
  await append(writer, LOG, 0, rows);
  const bytes = Buffer.from('{"bad":"\\u0000"}');
  await writer.query('select audit.quarantine($1, $2, $3, $4)', [LOG, rows.length, bytes, '22P05']);
  // What acme must see nothing of.
  const foreign = SEED.map((members, i) => record('globex~0~1', i, { ...members, count: 1000 }));
  await append(writer, 'globex~0~1', 0, foreign);
  await reader.query(`select set_config('audit.tenant', 'acme', false)`);
});
afterAll(() => cluster.stop());

const variables = {
  from: new Date(thisMonth()).toISOString(),
  to: new Date(thisMonth() + 86_400_000).toISOString(),
  actor: 'alice',
  memory: 'm-1',
};

/** Runs a query of the README as psql would, with its variables put in. */
async function ask(heading: string, columns: readonly string[], client = reader): Promise<unknown[][]> {
  const sql = QUERIES.get(heading)!.replace(/:'(\w+)'/g, (_, name: keyof typeof variables) =>
    pg.escapeLiteral(variables[name]),
  );
  const { rows } = await client.query(sql);
  return rows.map((row) => columns.map((column) => row[column]));
}

it('has ten queries, each of which is asked below', () => {
  expect([...QUERIES.keys()]).toEqual([
    'What did one person do?',
    'Who touched one memory?',
    'What was refused, and why?',
    'Who was refused most?',
    'Which changes were made, and did they succeed?',
    'Of which changes is the result unknown?',
    'Which events were raised?',
    'Who read the audit log?',
    'How much was done, by whom, on each day?',
    'Is each log whole?',
  ]);
});

it('What did one person do?', async () => {
  expect(await ask('What did one person do?', ['operation', 'decision', 'result', 'index'])).toEqual([
    ['oss.memories.add', 'allow', 'success', '1'],
    ['oss.memories.delete', 'allow', 'unknown', '7'],
    ['oss.memories.update', 'allow', 'unknown', '9'],
    ['oss.memories.update', 'allow', 'failure', '10'],
    ['governance.records', 'allow', 'success', '12'],
  ]);
});

it('Who touched one memory?', async () => {
  expect(await ask('Who touched one memory?', ['actor_sub', 'action', 'index'])).toEqual([
    ['alice', 'write', '1'],
    ['bob', 'read', '2'],
  ]);
});

it('What was refused, and why?', async () => {
  expect(await ask('What was refused, and why?', ['decision', 'reason', 'requests', 'actors'])).toEqual([
    ['rate_limited', 'rate', '42', '1'],
    ['deny', 'role_denied', '1', '1'],
  ]);
});

it('Who was refused most?', async () => {
  const at = (index: number) => new Date(thisMonth() + index * 60_000);
  expect(await ask('Who was refused most?', ['actor_sub', 'decision', 'requests', 'first', 'last'])).toEqual([
    ['bob', 'rate_limited', '42', at(4), at(5)],
    ['bob', 'deny', '1', at(3), at(3)],
  ]);
});

it('Which changes were made, and did they succeed?', async () => {
  const heading = 'Which changes were made, and did they succeed?';
  expect(await ask(heading, ['actor_sub', 'action', 'result', 'index'])).toEqual([
    ['alice', 'write', 'success', '0'],
    ['alice', 'delete', 'unknown', '6'],
    ['alice', 'write', 'failure', '8'],
  ]);
});

it('Of which changes is the result unknown?', async () => {
  expect(await ask('Of which changes is the result unknown?', ['request_id', 'index'])).toEqual([
    ['slow', '6'],
  ]);
});

it('Which events were raised?', async () => {
  const heading = 'Which events were raised?';
  expect(await ask(heading, ['reasons', 'actor_sub', 'detail'])).toEqual([
    [['isolation_breach'], 'bob', { rows: 1 }],
  ]);
});

it('Who read the audit log?', async () => {
  expect(await ask('Who read the audit log?', ['actor_sub', 'decision', 'roles'])).toEqual([
    ['alice', 'allow', ['auditor']],
  ]);
});

it('How much was done, by whom, on each day?', async () => {
  const heading = 'How much was done, by whom, on each day?';
  expect(await ask(heading, ['actor_sub', 'action', 'requests'])).toEqual([
    ['alice', 'audit_read', '1'],
    ['alice', 'delete', '1'],
    ['alice', 'write', '2'],
    ['bob', 'read', '1'],
  ]);
});

describe('Is each log whole?', () => {
  const ask10 = (client: pg.Client) => ask('Is each log whole?', ['log'], client);

  it('finds nothing in what the writer wrote', async () => {
    expect(await ask10(reader)).toEqual([]);
  });

  it.each([
    ['a record taken out', `delete from audit.record where log = '${LOG}' and index = 3`],
    ['the first record taken out', `delete from audit.record where log = '${LOG}' and index = 0`],
    ['the tail cut off', `delete from audit.quarantined where log = '${LOG}'`],
    ['a quarantined record changed', `update audit.quarantined set bytes = 'x' where log = '${LOG}'`],
    ['all of it taken out', 'delete from audit.record; delete from audit.quarantined'],
    ['the head moved', `update audit.log_head set head = head + 1 where log = '${LOG}'`],
    ['the head taken out', `delete from audit.log_head where log = '${LOG}'`],
    [
      'a record doubled in another month',
      `create temp table twice on commit drop as select * from audit.record where log = '${LOG}' and index = 1;
       update twice set time_ms = time_ms - 86400000 * 14,
         canonical = jsonb_set(canonical::jsonb, '{time}', to_jsonb(time_ms - 86400000 * 14))::text;
       update twice set at = audit.record_time(canonical), leaf = audit.leaf_hash(canonical);
       insert into audit.record select * from twice`,
    ],
  ])('finds %s by an owner who disabled the triggers', async (_what, change) => {
    // The reader's transaction would not see the change, so the owner asks for all tenants.
    await owner.query('begin');
    for (const table of ['record', 'log_head', 'quarantined']) {
      await owner.query(`alter table audit.${table} disable trigger all`);
    }
    const { rows } = await owner.query(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit.record'::regclass`,
    );
    for (const { name } of rows) await owner.query(`alter table ${name} disable trigger all`);
    await owner.query(change);
    expect(await ask10(owner)).toContainEqual([LOG]);
    await owner.query('rollback');
    expect(await ask10(owner)).toEqual([]);
  });
});
