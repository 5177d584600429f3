import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withSnapshot } from '../scripts/lib/database.ts';
import type { Head } from '../scripts/lib/verify/sections.ts';
import { storedSections } from '../scripts/lib/verify/stored.ts';
import { type Report, verify } from '../scripts/lib/verify/verify.ts';
import { SIGNER, signedLog, WITNESS } from '../tests/fakes/signed-log.ts';
import { headOf } from '../tests/fakes/verified.ts';
import { append, type Cluster, type Database, startCluster, thisMonth } from './harness.ts';

// The verifier over a real Postgres in which somebody with every right has changed something.

const POISON = 13;
const LOG = signedLog({
  ...{ log: 'acme~0~1', records: 25, every: 10, witnessed: [20], time: thisMonth() },
  // Postgres takes no NUL as text.
  members: (index) => (index === POISON ? { correlation: 'a\u0000b' } : undefined),
});
const FOREIGN = signedLog({ log: 'globex~0~1', records: 25, every: 10, time: thisMonth() });

let cluster: Cluster;
let sound: Database;

beforeAll(async () => {
  cluster = await startCluster();
  sound = await cluster.fresh();
  const writer = await sound.as('audit_writer');
  for (const { log, texts, checkpoints } of [LOG, FOREIGN]) {
    for (const [index, text] of texts.entries()) {
      if (log !== LOG.log || index !== POISON) await append(writer, log, index, [text]);
      else {
        const bytes = Buffer.from(text).toString('hex');
        await writer.query(`select audit.quarantine($1, $2, decode($3, 'hex'), '22P05')`, [
          log,
          index,
          bytes,
        ]);
      }
    }
    for (const { size, root, note, lines } of checkpoints) {
      await writer.query('select audit.store_checkpoint($1, $2, $3, $4)', [
        log,
        size,
        Buffer.from(root),
        note,
      ]);
      const line = [WITNESS.name, WITNESS.hash, 1_790_000_000 + size, lines];
      if (lines) {
        const values = [log, size, Buffer.from(root), ...line];
        await writer.query('select audit.store_cosignature($1, $2, $3, $4, $5, $6, $7)', values);
      }
    }
  }
  await writer.end();
});

afterAll(async () => {
  await cluster?.stop();
});

async function verified(
  database: Database,
  heads: readonly Head[] = [headOf(LOG)],
  keys = KEYS,
): Promise<Report> {
  return withSnapshot(database.url('audit_reader'), 'verify', 'acme', (reader) => {
    const source = { name: 'the database', current: true, sections: () => storedSections(reader) };
    return verify({ sources: [source], keys, heads });
  });
}
const KEYS = [SIGNER.verifier, WITNESS];

/** What a superuser does, in a copy; nothing of the database's own stands in the way. */
async function tampered(statements: string): Promise<Report> {
  const database = await cluster.fresh(sound);
  const superuser = await database.as('postgres');
  await superuser.query(UNLOCK);
  await superuser.query(statements);
  await superuser.end();
  return verified(database);
}

const UNLOCK = `do $$ declare t regclass; begin
  for t in select oid from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p') loop
    execute format('alter table %s disable trigger all', t);
  end loop;
end $$`;

/** What the table holds its columns to. */
const FREED = `alter table audit.record drop constraint record_at_is_time, drop constraint record_tenant_is_the_logs;`;

describe('a database that nobody touched', () => {
  it('is good, its quarantined record with it', async () => {
    const report = await verified(sound);
    expect(report).toMatchObject({ verdict: 'good', records: 25, faults: [] });
    expect(report.logs).toEqual([
      expect.objectContaining({ log: 'acme~0~1', end: 25, quarantined: 1, checkpoints: 2, covered: 20 }),
    ]);
  });

  it('is good by the witness that signed under its checkpoint', async () => {
    expect(await verified(sound, [])).toMatchObject({ verdict: 'good', logs: [{ head: { size: 20 } }] });
    const { unchecked } = await verified(sound, [], [SIGNER.verifier]);
    expect(unchecked.map(({ what }) => what)).toEqual([expect.stringContaining('head not checked')]);
  });

  it('is read as it was at one moment', async () => {
    const database = await cluster.fresh(sound);
    const writer = await database.as('audit_writer');
    const more = signedLog({ ...{ log: 'acme~0~1', records: 26, every: 10, time: thisMonth() } });
    const report = await withSnapshot(database.url('audit_reader'), 'verify', 'acme', async (reader) => {
      await reader.read('select 1');
      await append(writer, 'acme~0~1', 25, [more.texts[25]!]);
      const source = { name: 'the database', current: true, sections: () => storedSections(reader) };
      return verify({ sources: [source], keys: KEYS, heads: [headOf(LOG)] });
    });
    await writer.end();
    expect(report).toMatchObject({ verdict: 'good', records: 25 });
  });
});

describe('in the records', () => {
  it.each([
    ['phase', `'event'`],
    ['request_id', `'another'`],
    ['actor_issuer', `'https://elsewhere.example'`],
    ['actor_sub', `'nobody'`],
    ['actor_sub', 'null'],
    ['action', `'admin'`],
    ['operation', `'oss.memories.get'`],
    ['decision', `'deny'`],
    ['reasons', `'["none"]'`],
    ['result', `'failure'`],
    ['count', '7'],
    ['time_ms', '1'],
    ['leaf', `'\\x00'`],
  ])('the column %s with another value is found at its record', async (column, value) => {
    const { verdict, first } = await tampered(
      `${FREED} update audit.record set ${column} = ${value} where log = 'acme~0~1' and index = 6`,
    );
    expect(verdict).toBe('tampering');
    expect(first).toMatchObject({ log: 'acme~0~1', index: 6 });
  });

  it('a text with another value is found at its record', async () => {
    const { first } = await tampered(
      `update audit.record set canonical = replace(canonical, '"allow"', '"deny"') where log = 'acme~0~1' and index = 6`,
    );
    expect(first).toMatchObject({ log: 'acme~0~1', index: 6, what: 'its leaf hash is another' });
  });

  it('a text with another value, and every column with it, is found between two checkpoints', async () => {
    const { first } = await tampered(
      `update audit.record set canonical = replace(canonical, '"allow"', '"deny"'), decision = 'deny',
        leaf = audit.leaf_hash(replace(canonical, '"allow"', '"deny"')) where log = 'acme~0~1' and index = 6`,
    );
    expect(first).toEqual({
      ...{
        log: 'acme~0~1',
        index: 0,
        last: 9,
        what: 'the records are not those that the checkpoint of 10 speaks of',
      },
    });
  });

  it.each([
    ['one deleted', `delete from audit.record where log = 'acme~0~1' and index = 6`, 6],
    [
      'one moved to another time',
      `${FREED} update audit.record set at = at + interval '1 second' where log = 'acme~0~1' and index = 6`,
      6,
    ],
    [
      'one given to another tenant',
      `${FREED} update audit.record set tenant = 'globex' where log = 'acme~0~1' and index = 6`,
      6,
    ],
    [
      'one given to another log',
      `${FREED} update audit.record set log = 'acme~3~1' where log = 'acme~0~1' and index = 6`,
      6,
    ],
    [
      'one twice',
      `${FREED} create temp table twice as select * from audit.record where log = 'acme~0~1' and index = 6;
        update twice set at = at + interval '1 second';
        insert into audit.record select * from twice`,
      6,
    ],
    [
      'one of another tenant’s in its place',
      `${FREED} update audit.record r set canonical = f.canonical from audit.record f
        where r.log = 'acme~0~1' and r.index = 6 and f.log = 'globex~0~1' and f.index = 6`,
      6,
    ],
    [
      'two changed for each other',
      `${FREED} update audit.record r set canonical = f.canonical from audit.record f
        where r.log = 'acme~0~1' and f.log = r.log and r.index in (6, 7) and f.index = 13 - r.index`,
      6,
    ],
    [
      'one that is no JSON',
      `${FREED} update audit.record set canonical = '{"a', leaf = audit.leaf_hash('{"a')
        where log = 'acme~0~1' and index = 6`,
      6,
    ],
    ...['time', 'count', 'reasons'].map((member): [string, string, number] => [
      `one whose ${member} is nested without end`,
      `${FREED} update audit.record set canonical = v.text, leaf = audit.leaf_hash(v.text)
        from (select '{"${member}":' || repeat('[', 200000) || repeat(']', 200000) || '}' as text) v
        where log = 'acme~0~1' and index = 6`,
      6,
    ]),
    ['the quarantined one changed', `update audit.quarantined set bytes = 'x'`, POISON],
    ['the quarantined one deleted', `delete from audit.quarantined`, POISON],
    [
      'the quarantined one moved',
      `update audit.quarantined set index = 3; delete from audit.record where log = 'acme~0~1' and index = 3`,
      3,
    ],
    ['the tail cut', `delete from audit.record where log = 'acme~0~1' and index >= 23`, 23],
    [
      'the tail cut, and the head with it',
      `delete from audit.record where log = 'acme~0~1' and index >= 18;
        update audit.log_head set head = 18, last_leaf =
          (select leaf from audit.record where log = 'acme~0~1' and index = 17) where log = 'acme~0~1'`,
      18,
    ],
    [
      'a month taken away',
      `drop table audit.record_${new Date(thisMonth()).toISOString().slice(0, 7).replace('-', '_')}`,
      0,
    ],
    ['all of it', `delete from audit.record; delete from audit.quarantined; delete from audit.log_head`, 0],
    [
      'all of it, and what was signed',
      `delete from audit.record; delete from audit.quarantined; delete from audit.log_head;
        delete from audit.checkpoint; delete from audit.cosignature`,
      0,
    ],
  ])('%s is found', async (_what, statements, index) => {
    const { verdict, faults } = await tampered(statements);
    expect(verdict).toBe('tampering');
    expect(
      faults.some((fault) => fault.log === 'acme~0~1' && fault.index === index),
      JSON.stringify(faults),
    ).toBe(true);
  });
});

describe('in what is kept beside them', () => {
  it.each([
    ['another head', `update audit.log_head set head = 24`],
    ['a larger head', `update audit.log_head set head = 26`],
    ['another last leaf', `update audit.log_head set last_leaf = '\\x00'`],
    ['another epoch', `update audit.log_head set epoch = 2 where tenant = 'acme'`],
    ['another shard', `update audit.log_head set shard = 2 where tenant = 'acme'`],
    ['no head', `delete from audit.log_head where tenant = 'acme'`],
    [
      'the root of another',
      `alter table audit.checkpoint drop constraint checkpoint_is_its_note;
      update audit.checkpoint set root = decode(repeat('00', 32), 'hex') where size = 10`,
    ],
    [
      'the size of another',
      `alter table audit.checkpoint drop constraint checkpoint_is_its_note;
      update audit.checkpoint set size = 11 where size = 10`,
    ],
    [
      'another note',
      `alter table audit.checkpoint drop constraint checkpoint_is_its_note;
      update audit.checkpoint set note = replace(note, 'acme~0~1', 'acme~0~2')`,
    ],
    [
      'a signature of nobody’s',
      `update audit.checkpoint set note = overlay(note placing 'AAAA' from length(note) - 20)`,
    ],
    [
      'a witness’s signature of nobody’s',
      `update audit.cosignature set line = overlay(line placing 'AAAA' from length(line) - 20)`,
    ],
    [
      'a record beyond the head',
      `update audit.log_head set head = 20,
        last_leaf = (select leaf from audit.record where log = 'acme~0~1' and index = 19) where tenant = 'acme'`,
    ],
  ])('%s is found', async (_what, statements) => {
    const { verdict, first } = await tampered(statements);
    expect(verdict).toBe('tampering');
    expect(first!.log).toBe('acme~0~1');
  });
});
