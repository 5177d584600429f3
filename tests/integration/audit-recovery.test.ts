import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonical, type Json } from '../../core/canonical.ts';
import { Frontier } from '../../core/merkle.ts';
import { type AuditRecord, beforeFork, leafHash } from '../../core/record.ts';
import { intent, outcome, read } from '../../durable-objects/audit-log/testing/entries.ts';
import { type Neon, startNeon } from '../../local/neon.ts';
import type { Report } from '../../scripts/lib/verify/verify.ts';
import { type Cluster, startCluster } from '../../sql/harness.ts';
import { type FakeMem0, startFakeMem0 } from '../fakes/mem0.ts';
import { auditRig } from './audit-rig.ts';
import { runCommand } from './doctor-rig.ts';
import { type Rig, startRig } from './rig.ts';

// What becomes of a log when its object, or Postgres, is put back to an earlier state.

describe('against a real Postgres', () => {
  let cluster: Cluster;
  let neon: Neon;
  beforeAll(async () => {
    cluster = await startCluster();
    neon = await startNeon({ databasePort: cluster.postgres.port });
  });
  afterAll(async () => {
    await neon?.stop();
    await cluster?.stop();
  });

  it('an object that went back goes on in the next epoch, and nothing that was told is lost', async () => {
    const database = await cluster.fresh();
    const owner = await database.as('audit_owner');
    const object = auditRig(database.url('audit_writer'), neon.url);
    const told = object.append(read('a'), intent('b'), poison('early'), ...many('x', 700));
    await settle(object);
    const before = object.snapshot();
    told.push(...object.append(read('c'), intent('d'), outcome('b'), ...many('y', 700), poison('late')));
    await settle(object);
    object.goBack(before);
    told.push(...object.append(read('after'), outcome('unknown')));
    await object.flusher.flush();
    expect(object.machine.state.fork).not.toBeNull();
    object.pass(16_000);
    await settle(object);
    expect(object.machine.log).toBe('acme~0~2');
    expect(object.append(outcome('d'))).toHaveLength(1);
    await settle(object);

    const rows = await stored(owner);
    const leaves = new Map<string, number>();
    const count = (leaf: string) => leaves.set(leaf, (leaves.get(leaf) ?? 0) + 1);
    for (const { text, leaf } of rows) {
      count(leaf);
      const was = beforeFork(JSON.parse(text) as AuditRecord);
      if (was) count(leafOf(canonical(was as unknown as Json)));
    }
    expect(told.filter((leaf) => leaves.get(leaf) !== 1)).toEqual([]);
    const second = rows.filter(({ log }) => log === 'acme~0~2').map(({ text }) => JSON.parse(text));
    const closed = rows.filter(({ log }) => log === 'acme~0~1');
    expect(second[0].detail).toEqual({
      ...{ cause: 'head_ahead', log: 'acme~0~1', size: closed.length },
      root: rootOfLeaves(closed.map(({ leaf }) => leaf)),
    });
    expect(second.at(-1)).toMatchObject({ phase: 'outcome', request_id: 'd', intent: { log: 'acme~0~1' } });
  });

  it('an object whose epoch another one closed adds nothing to it, and goes on behind that one', async () => {
    const database = await cluster.fresh();
    const owner = await database.as('audit_owner');
    const late = auditRig(database.url('audit_writer'), neon.url);
    const told = late.append(...many('a', 5));
    await settle(late);
    const other = auditRig(database.url('audit_writer'), neon.url);
    told.push(...other.append(read('other')));
    await other.flusher.flush();
    other.pass(16_000);
    await settle(other);
    expect(other.machine.log).toBe('acme~0~2');

    for (const more of [[read('b')], [poison('c')]]) {
      told.push(...late.append(...more));
      await late.flusher.flush();
      expect(late.flusher.lastFailure).toMatch(/^(sql_AL004|fork_later_epoch)$/);
    }
    expect((await stored(owner)).filter(({ log }) => log === 'acme~0~1')).toHaveLength(5);
    expect(late.machine.state.fork).toBe('later_epoch');
    late.pass(16_000);
    await settle(late);
    expect(late.machine.log).toBe('acme~0~3');

    const rows = (await stored(owner)).map(({ text, ...row }) => ({ ...row, record: JSON.parse(text) }));
    const again = rows.flatMap(({ record }) => beforeFork(record) ?? []);
    const leaves = rows.map(({ leaf }) => leaf);
    leaves.push(...again.map((was) => leafOf(canonical(was as unknown as Json))));
    expect(told.filter((leaf) => !leaves.includes(leaf))).toEqual([]);
    for (const closed of ['acme~0~1', 'acme~0~2']) {
      const size = rows.filter(({ log }) => log === closed).length;
      expect(rows.map(({ record }) => record.detail)).toContainEqual(
        expect.objectContaining({ log: closed, size }),
      );
    }
  });

  it('a database restored from a backup is filled again in the same epoch', async () => {
    const database = await cluster.fresh();
    const object = auditRig(database.url('audit_writer'), neon.url);
    const told = object.append(...many('a', 20));
    await settle(object);
    // A backup is a copy of a moment; a copy is made while nobody is connected.
    await neon.stop();
    const backup = await cluster.fresh(database);
    neon = await startNeon({ databasePort: cluster.postgres.port, port: Number(new URL(neon.url).port) });
    told.push(...object.append(...many('b', 20)));
    await settle(object);
    object.connect(backup.url('audit_writer'));
    await settle(object);
    expect(object.machine.log).toBe('acme~0~1');
    expect((await stored(await backup.as('audit_owner'))).map(({ leaf }) => leaf)).toEqual(told);
  });
});

describe('in the gateway', () => {
  let mem0: FakeMem0;
  let rig: Rig;
  beforeAll(async () => {
    mem0 = await startFakeMem0();
    rig = await startRig({ mem0: { url: mem0.url, apiKey: 'k' } });
  });
  afterAll(async () => {
    await rig?.stop();
    await mem0?.stop();
  });

  it('objects that are put back stop, recover, and answer again', async () => {
    const admin = await rig.token('acme', 'admin');
    const ask = () => rig.call('GET', '/governance/v1/whoami', admin);
    const places: string[] = [];
    const told = async (times: number) => {
      for (let i = 0; i < times; i++) places.push((await ask()).headers.get('audit-record')!);
    };
    const objects = join(rig.dir, 'objects');
    const kept = join(rig.dir, 'kept');
    await told(5);
    await rig.recorded((records) => records.length >= 5);
    await rig.restartGateway({}, () => cp(objects, kept, { recursive: true }));
    await told(5);
    await rig.recorded((records) => records.length >= 10);
    await rig.restartGateway({}, async () => {
      await rm(objects, { recursive: true });
      await cp(kept, objects, { recursive: true });
    });
    // What is told before the object has looked at Postgres stands in the next epoch.
    const first = await ask();
    if (first.status === 200) places.push(first.headers.get('audit-record')!);
    let refused = 0;
    for (const end = Date.now() + 50_000; Date.now() < end; ) {
      const answer = await ask();
      if (answer.status === 200 && answer.headers.get('audit-record')?.startsWith('acme~0~2/')) break;
      if (answer.status === 200) places.push(answer.headers.get('audit-record')!);
      else refused++;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(refused).toBeGreaterThan(0);
    await told(3);
    const last = places.at(-1)!.split(';')[0];
    const records = await rig.recorded((all) => all.some(({ log, index }) => `${log}/${index}` === last));
    const found = new Set(
      records.flatMap((record) => {
        const was = beforeFork(record);
        return [record, ...(was ? [was] : [])].map(
          (each) => `${each.log}/${each.index};${leafOf(canonical(each as unknown as Json))}`,
        );
      }),
    );
    expect(places.filter((place) => !found.has(place))).toEqual([]);
    expect(rig.logs.some((line) => line.includes('audit_recovery'))).toBe(true);
  }, 120_000);

  it('an epoch that somebody took out of the database, and cut the one before it to match, is missed', async () => {
    // Nothing but being asked for a checkpoint sends the object to the database meanwhile.
    await rig.restartGateway({ AUDIT_FLUSH_INTERVAL_MS: '20000' });
    const env = {
      AUDIT_READER_URL: rig.database.url('audit_reader'),
      AUDIT_TOKEN: await rig.token('acme', 'auditor', 'audrey'),
    };
    const verify = async () => {
      const args = ['--tenant', 'acme', '--gateway', rig.url, '--json'];
      const { code, stdout } = await runCommand('audit-verify', args, { env });
      const { verdict, first, logs } = JSON.parse(stdout) as Report;
      return { code, verdict, first, logs: logs.map(({ log }) => log) };
    };
    const sound = { code: 0, verdict: 'good', first: null, logs: ['acme~0~1', 'acme~0~2'] };
    expect(await verify()).toEqual(sound);
    const superuser = await rig.database.as('postgres');
    await superuser.query(`do $$ declare t regclass; begin
      for t in select oid from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p') loop
        execute format('alter table %s disable trigger user', t);
      end loop;
    end $$`);
    await superuser.query(`delete from audit.record where log = 'acme~0~2';
      delete from audit.checkpoint where log = 'acme~0~2';
      delete from audit.log_head where log = 'acme~0~2';
      delete from audit.record where log = 'acme~0~1' and index >= 6;
      delete from audit.checkpoint where log = 'acme~0~1' and size > 6;
      update audit.log_head set head = 6, last_leaf =
        (select leaf from audit.record where log = 'acme~0~1' and index = 5) where log = 'acme~0~1'`);
    await superuser.end();
    // The epoch that was taken out the object sends again; what it begins with says where the one before it ended.
    expect(await verify()).toMatchObject({
      ...{ code: 1, verdict: 'tampering', logs: sound.logs },
      first: { log: 'acme~0~1', index: 6 },
    });
  });
});

const many = (name: string, count: number) => Array.from({ length: count }, (_, i) => read(`${name}${i}`));

/** A record that Postgres takes as bytes only. */
function poison(id: string) {
  return read(id, { session: 'a\u0000b' });
}

async function settle(object: ReturnType<typeof auditRig>): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    await object.flusher.flush();
    const { flushed, size, fork } = object.machine.state;
    if (fork === null && flushed === size && !object.flusher.unsettled) return;
  }
  throw new Error(`not settled: ${object.flusher.lastFailure}`);
}

function leafOf(text: string): string {
  return leafHash(Buffer.from(text, 'utf8'));
}

function rootOfLeaves(leaves: readonly string[]): string {
  const frontier = new Frontier();
  for (const leaf of leaves) frontier.append(new Uint8Array(Buffer.from(leaf, 'hex')));
  return Buffer.from(frontier.root).toString('hex');
}

async function stored(owner: { query(text: string): Promise<{ rows: unknown[] }> }) {
  const { rows } = await owner.query(
    `select log, index::int, canonical as text, encode(leaf, 'hex') as leaf from audit.record
     union all
     select log, index::int, convert_from(bytes, 'UTF8'), encode(leaf, 'hex') from audit.quarantined
     order by log, index`,
  );
  return rows as { log: string; index: number; text: string; leaf: string }[];
}
