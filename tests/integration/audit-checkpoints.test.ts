import { afterAll, beforeAll, expect, it } from 'vitest';
import { openNote } from '../../core/note.ts';
import { read, SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import { type Cluster, type Database, startCluster } from '../../sql/harness.ts';
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

async function stored(database: Database): Promise<{ size: number; note: string }[]> {
  const owner = await database.as('postgres');
  return (
    await owner.query('select size::int, note from audit.checkpoint where log = $1 order by size', [LOG])
  ).rows;
}

async function flushed(count: number) {
  const database = await cluster.fresh();
  const object = auditRig(database.url('audit_writer'), proxy.url);
  object.append(...Array.from({ length: count }, (_, i) => read(`r${i}`)));
  await object.flusher.flush();
  return { database, object };
}

it('is stored as it was signed, and the next one goes on from it', async () => {
  const { database, object } = await flushed(300);
  const first = await object.checkpointer.sign();
  expect(first).toMatchObject({ ok: true, log: LOG, size: 300 });
  object.append(read('more'));
  await object.flusher.flush();
  object.restart();
  expect(await object.checkpointer.sign()).toMatchObject({ ok: true, size: 301 });
  const rows = await stored(database);
  expect(rows.map(({ size }) => size)).toEqual([300, 301]);
  for (const { note } of rows) expect(openNote(note, [SETTINGS.signer.verifier]).ok).toBe(true);
});

it.each([
  ['reading back is lost', ['lose']],
  ['storing is lost behind its commit', ['pass', 'lose']],
  ['the endpoint answers 503', [{ status: 503, headers: {}, body: '<html>' }]],
  ['storing is answered with an empty 200', ['pass', { status: 200, headers: {}, body: '' }]],
  [
    'storing is answered with a row of something else',
    [
      'pass',
      { status: 200, headers: {}, body: '{"rows":[["1","00","x","1"]],"fields":[],"command":"SELECT"}' },
    ],
  ],
] as const)('is stored once when %s', async (_what, answers) => {
  for (const restart of [false, true]) {
    const { database, object } = await flushed(3);
    proxy.answers = [...answers] as typeof proxy.answers;
    expect(await object.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
    expect(object.events).toEqual(['audit_checkpoint_failed']);
    if (restart) object.restart();
    expect(await object.checkpointer.sign()).toMatchObject({ ok: true, size: 3 });
    expect(await stored(database)).toHaveLength(1);
  }
});

it('is signed again by nobody over another one that the database holds', async () => {
  const { database, object } = await flushed(3);
  const root = Buffer.alloc(32, 9);
  const writer = await database.as('audit_writer');
  const note = `x\n2\n${root.toString('base64')}\n\n\u2014 x AAAA\n`;
  await writer.query('select audit.store_checkpoint($1, 2, $2, $3)', [LOG, root, note]);
  expect(await object.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
  expect(object.logged.at(-1)).toEqual([
    'audit_checkpoint_failed',
    { log: LOG, failure: 'not_an_extension', failures: 1 },
  ]);
});

it('is not signed of what a database that was put back does not hold', async () => {
  const { object } = await flushed(3);
  expect(await object.checkpointer.sign()).toMatchObject({ ok: true, size: 3 });
  const empty = await cluster.fresh();
  object.connect(empty.url('audit_writer'));
  expect(await object.checkpointer.sign()).toEqual({ ok: false, code: 'unavailable' });
  expect(await stored(empty)).toEqual([]);
  await object.flusher.flush();
  expect(await object.checkpointer.sign()).toMatchObject({ ok: true, size: 3 });
});
