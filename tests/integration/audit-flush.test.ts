import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { intent, outcome, read } from '../../durable-objects/audit-log/testing/entries.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import { append, type Cluster, type Database, record, startCluster } from '../../sql/harness.ts';
import { auditRig, type SpoilingProxy, startProxy } from './audit-rig.ts';

let cluster: Cluster;
let neon: Neon;
let proxy: SpoilingProxy;

beforeAll(async () => {
  cluster = await startCluster();
  neon = await startNeon({ databasePort: cluster.postgres.port });
  proxy = await startProxy(() => neon.url);
});
afterAll(async () => {
  await proxy?.stop();
  await neon?.stop();
  await cluster?.stop();
});

const LOG = 'acme~0~1';
const rig = (database: Database, timeoutMs?: number) =>
  auditRig(database.url('audit_writer'), proxy.url, timeoutMs);
const reads = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => read(`r${from + i}`));

interface Stored {
  readonly text: string;
  readonly leaf: string;
  readonly sqlstate: string | null;
}

async function stored(database: Database): Promise<Stored[]> {
  const client = await database.as('postgres');
  const { rows } = await client.query<Stored>(
    `select canonical as text, encode(leaf, 'hex') as leaf, null as sqlstate, index from audit.record where log = $1
     union all select convert_from(bytes, 'UTF8'), encode(leaf, 'hex'), sqlstate, index from audit.quarantined
     where log = $1 order by index`,
    [LOG],
  );
  return rows.map(({ text, leaf, sqlstate }) => ({ text, leaf, sqlstate }));
}

/** Postgres has exactly the object's records, bytes and hashes. */
async function expectEqual(database: Database, { held }: ReturnType<typeof rig>): Promise<void> {
  expect((await stored(database)).map(({ text, leaf }) => ({ text, leaf }))).toEqual(held());
}

describe('a flush', () => {
  it('stores the exact bytes, and the hashes that callers were told', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    const told = object.append(
      read('a', {
        session: 'ü € 😀 " \\ \u0001 \u2028',
        detail: { n: 1e21, m: -0.5, nested: { z: [], a: null } },
      }),
      intent('b'),
      outcome('b'),
    );
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 3, fork: null });
    await expectEqual(database, object);
    expect((await stored(database)).map(({ leaf }) => leaf)).toEqual(told);
  });

  it('takes texts apart where they end, whatever is in them', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    const awkward = ['\n', '\\n', '\r\n', '"\n"', '{}\n{}', '\u0085\u2028\u2029', "', chr(10)", ''];
    object.append(...awkward.map((session, i) => read(`a${i}`, { session })));
    await object.flusher.flush();
    object.append(read('alone', { session: '\n' }));
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 0 });
    expect((await stored(database)).map(({ sqlstate }) => sqlstate)).toEqual(Array(9).fill(null));
    await expectEqual(database, object);
  });

  it('whose answer is lost behind the commit is repeated without doubling anything', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 20));
    proxy.answers = ['pass', 'lose'];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: 'unreachable' });
    expect(object.machine.state.flushed).toBe(0);
    expect(await stored(database)).toHaveLength(20);
    object.append(...reads(20, 25));
    object.restart();
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 25, fork: null });
    await expectEqual(database, object);
  });

  it('sets one record among a thousand aside, and once only', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 617), read('bad', { session: 'x\u0000y' }), ...reads(617, 999));
    // State, the halvings of a thousand, then the quarantine, whose answer is lost.
    for (let turn = 0; turn < 40 && object.machine.state.flushed < 1000; turn++) {
      proxy.answers = [];
      proxy.loseQuarantine = turn === 0;
      await object.flusher.flush();
    }
    await expectEqual(database, object);
    const rows = await stored(database);
    expect(rows.flatMap(({ sqlstate }, i) => (sqlstate ? [[i, sqlstate]] : []))).toEqual([[617, '22P05']]);
  });

  it.each([
    // The comparison, and one call for each batch.
    ['waits for it in Postgres', 'late', 1 + 7],
    // The comparison and five batches, of which three meet a gap; the comparison and these three, and two more.
    ['is sent again when that takes long', 'overdue', 1 + 5 + 1 + 5],
  ] as const)('whose batches overtake one that is on its way %s', async (_what, how, most) => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 6500));
    const answers = Array.from({ length: 50 }, () => 'pass' as const);
    proxy.answers = ['pass', 'pass', how, ...answers];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 0, lastFailure: undefined });
    expect(object.machine.state).toMatchObject({ flushed: 6500, fork: null });
    const calls = 3 + 50 - proxy.answers.length;
    proxy.answers = [];
    expect(calls).toBe(most);
    await expectEqual(database, object);
  });

  it('asks for the partition that is missing', async () => {
    const database = await cluster.fresh();
    const owner = await database.as('audit_owner');
    const month = new Date().toISOString().slice(0, 7).replace('-', '_');
    await owner.query(`alter table audit.record detach partition audit.record_${month}`);
    await owner.query(`drop table audit.record_${month}`);
    const object = rig(database);
    object.append(...reads(0, 3));
    await object.flusher.flush();
    expect(object.flusher.lastFailure).toBeUndefined();
    expect(object.machine.state.flushed).toBe(3);
    await expectEqual(database, object);
  });
});

describe('another state of the database', () => {
  it('that is older is filled again', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 5));
    await object.flusher.flush();
    // A copy is made of a database that nobody is connected to.
    await neon.stop();
    await cluster.postgres.createDatabase('older', database.name);
    neon = await startNeon({ databasePort: cluster.postgres.port });
    object.append(...reads(5, 9));
    await object.flusher.flush();
    expect(object.machine.state.flushed).toBe(9);

    object.connect(cluster.postgres.url('audit_writer', 'older'));
    object.append(read('next'));
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 10, fork: null });
    expect(object.events).toContain('audit_database_back');
  });

  it('with another writer’s record in it forks the log, and changes nothing there', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 3));
    await object.flusher.flush();
    const other = [record(LOG, 3), record(LOG, 4)];
    await append(await database.as('audit_writer'), LOG, 3, other);
    object.append(...reads(3, 8));
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 3, fork: 'leaf_differs' });
    expect(object.machine.append([read('late')], Date.now())).toEqual([{ ok: false, code: 'forked' }]);
    expect((await stored(database)).slice(3).map(({ text }) => text)).toEqual(other.map(({ text }) => text));
  });
});

const HTML = '<html>postgresql://writer:password@host</html>';

describe('an endpoint that answers', () => {
  it.each([
    ['429', { status: 429, body: '{"message":"slow down"}' }, 'http_429'],
    ['500', { status: 500, body: '{"message":"gone"}' }, 'http_500'],
    ['503 in HTML', { status: 503, body: HTML }, 'http_503'],
    ['413', { status: 413, body: '' }, 'http_413'],
    ['a redirect', { status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } }, 'http_302'],
    ['200 in HTML', { status: 200, body: HTML }, 'unreadable'],
    ['200 and nothing', { status: 200, body: '' }, 'unreadable'],
    ['200 and no rows', { status: 200, body: '{"fields":[],"rows":[]}' }, 'unreadable'],
    ['200 and half of it', { status: 200, body: '{"fields":[{"name":"hea' }, 'unreadable'],
    ['400 in HTML', { status: 400, body: HTML }, 'unreadable'],
    ['400 without a SQLSTATE', { status: 400, body: '{"message":"secret"}' }, 'unreadable'],
  ])('%s is told apart, and asked again', async (_what, canned, label) => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(read('a'));
    proxy.answers = [canned];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: label });
    proxy.answers = ['pass', canned];
    await object.flusher.flush();
    expect([object.flusher.failures, object.flusher.lastFailure]).toEqual([2, label]);
    expect(JSON.stringify(object.logged)).not.toMatch(/secret|password|postgresql/);
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 1, fork: null });
  });

  it.each([
    ['cuts its answer short behind the commit', 'reset', 'unreadable'],
    ['drips its answer behind the commit', 'drip', 'timeout'],
    ['hangs up before it has read', 'refuse', 'unreachable'],
  ] as const)('or rather %s is asked again, and nothing is doubled', async (_what, how, label) => {
    const database = await cluster.fresh();
    const object = rig(database, 1000);
    object.append(...reads(0, 3));
    proxy.answers = ['pass', how];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: label });
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 3, fork: null });
    await expectEqual(database, object);
  });

  it('with more results than were asked for is not believed', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(...reads(0, 3));
    const row = { fields: [{ name: 'head', dataTypeID: 20 }], rows: [['3']], command: 'SELECT', rowCount: 1 };
    proxy.answers = ['pass', { status: 200, body: JSON.stringify({ results: [row] }) }];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: 'unreadable' });
    expect(object.machine.state.flushed).toBe(0);
    await object.flusher.flush();
    await expectEqual(database, object);
  });

  it('too late is given up, and what it stored nevertheless is not doubled', async () => {
    const database = await cluster.fresh();
    const object = rig(database, 400);
    object.append(...reads(0, 3));
    proxy.answers = ['pass', 'slow'];
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: 'timeout' });
    await object.flusher.flush();
    expect(object.machine.state).toMatchObject({ flushed: 3, fork: null });
    await expectEqual(database, object);
  });

  it('that the writer may not log in is waited for', async () => {
    const database = await cluster.fresh();
    const object = rig(database);
    object.append(read('a'));
    const wrong = new URL(database.url('audit_writer'));
    wrong.password = 'wrong';
    object.connect(wrong.href);
    await object.flusher.flush();
    expect(object.flusher).toMatchObject({ failures: 1, lastFailure: 'sql_28P01' });
    object.connect(database.url('audit_writer'));
    await object.flusher.flush();
    await expectEqual(database, object);
  });
});
