import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatVerifierKey } from '../core/note.ts';
import { withSnapshot } from '../scripts/lib/database.ts';
import { readBundle } from '../scripts/lib/verify/bundle.ts';
import type { Head } from '../scripts/lib/verify/sections.ts';
import { storedSections } from '../scripts/lib/verify/stored.ts';
import { type Report, type Source, verify } from '../scripts/lib/verify/verify.ts';
import { SIGNER, type SignedLog, signedLog } from '../tests/fakes/signed-log.ts';
import { headOf } from '../tests/fakes/verified.ts';
import { runCommand } from '../tests/integration/doctor-rig.ts';
import { append, type Cluster, type Database, record, refusal, startCluster } from './harness.ts';

// Months leave the database for archives that verify by themselves, and together with what is left.

const KEY = formatVerifierKey(SIGNER.verifier);
const DAY_MS = 24 * 3600_000;
const POISON = 23;
const now = new Date();
const monthsAgo = (months: number) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1);
const nameOf = (months: number) => new Date(monthsAgo(months)).toISOString().slice(0, 7);

/** A record on every fourth day, from eight months ago on. */
function oldLog(log: string, every: number): SignedLog {
  return signedLog({
    ...{ log, records: 61, every, time: monthsAgo(8), stepMs: 4 * DAY_MS },
    members: (index) => (index === POISON && log === 'acme~0~1' ? { correlation: '\u0000' } : undefined),
  });
}
const LOGS = [oldLog('acme~0~1', 20), oldLog('acme~1~1', 61), oldLog('globex~0~1', 61)];

let cluster: Cluster;
let filled: Database;
let database: Database;
let owner: pg.Client;
let writer: pg.Client;
let dir: string;

beforeAll(async () => {
  cluster = await startCluster();
  filled = await cluster.fresh();
  const fill = await filled.as('audit_writer');
  for (const { log, texts, checkpoints } of LOGS) {
    for (const [index, text] of texts.entries()) {
      const poison = log === 'acme~0~1' && index === POISON;
      if (!poison) await append(fill, log, index, [text]);
      else await fill.query(`select audit.quarantine($1, $2, $3, '22P05')`, [log, index, Buffer.from(text)]);
    }
    for (const { size, root, note } of checkpoints) {
      await fill.query('select audit.store_checkpoint($1, $2, $3, $4)', [log, size, Buffer.from(root), note]);
    }
  }
  await fill.end();
});

beforeEach(async () => {
  database = await cluster.fresh(filled);
  owner = await database.as('audit_owner');
  writer = await database.as('audit_writer');
  dir = await mkdtemp(join(tmpdir(), 'audit-archives-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

afterAll(async () => {
  await cluster?.stop();
});

async function retention(...args: readonly string[]) {
  const env = { AUDIT_OWNER_URL: database.url('audit_owner') };
  return runCommand('audit-retention', [...args], { env });
}

const apply = (keep = 6) =>
  retention('--apply', '--out', dir, '--key', KEY, '--keep-months', String(keep), '--json');

const archiveSource = (name: string): Source => ({
  ...{ name, current: false },
  async *sections() {
    const bytes = await readFile(join(dir, name));
    async function* chunks() {
      yield bytes;
    }
    yield* readBundle(chunks());
  },
});

async function verified(archives: readonly string[], heads: readonly Head[], stored = true): Promise<Report> {
  const keys = [SIGNER.verifier];
  return withSnapshot(database.url('audit_reader'), 'verify', 'acme', (reader) => {
    const rest = { name: 'the database', current: true, sections: () => storedSections(reader) };
    return verify({ sources: [...archives.map(archiveSource), ...(stored ? [rest] : [])], keys, heads });
  });
}

const HEADS = [headOf(LOGS[0]!), headOf(LOGS[1]!)];

describe('a dry run', () => {
  it('says what would go, and changes nothing', async () => {
    const { code, stdout } = await retention('--keep-months', '6');
    expect(code).toBe(0);
    const months = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]);
    expect(months).toEqual([nameOf(8), nameOf(7)]);
    expect(stdout).toContain('records of acme, globex; would be archived');
    expect((await verified([], HEADS)).verdict).toBe('good');
  });

  it('keeps six years where nobody says otherwise', async () => {
    expect((await retention()).stdout).toBe('No month is old enough.\n');
  });

  it.each([
    [['--keep-months', '2'], '--keep-months is a number of at least 3.'],
    [['--apply'], 'Say where archives lie: --out DIR.'],
    [['--apply', '--out', 'x'], 'Archives are verified before anything is taken out'],
    [['--apply', '--drop', '--out', 'x'], '--apply and --drop are two steps.'],
  ])('refuses %s', async (args, words) => {
    const { code, stderr } = await retention(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });
});

describe('the months that are old enough', () => {
  it('leave for archives that verify apart and together with the rest', async () => {
    const before = (await owner.query('select count(*)::int as n from audit.record')).rows[0].n;
    const { code, stdout } = await apply();
    expect(code).toBe(0);
    const { archived } = JSON.parse(stdout);
    expect(archived.map(({ month }: { month: string }) => month)).toEqual([nameOf(8), nameOf(7)]);
    const files = (await readdir(dir)).sort();
    expect(files).toEqual(
      ['acme', 'globex'].flatMap((tenant) => [8, 7].map((ago) => `${tenant}-${nameOf(ago)}.bundle`)),
    );
    const after = (await owner.query('select count(*)::int as n from audit.record')).rows[0].n;
    expect(before - after).toBeGreaterThan(30);

    const [first, second] = files as [string, string];
    const whole = await verified([first, second], HEADS);
    expect(whole).toMatchObject({ verdict: 'good', records: 122, faults: [] });
    expect(whole.logs.find(({ log }) => log === 'acme~0~1')).toMatchObject({ start: 0, quarantined: 1 });

    const rest = await verified([], HEADS);
    expect(rest.faults).toEqual([]);
    expect(rest.unchecked.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^acme~0~1 below \d+ is not here: give its archives with --bundle$/),
      expect.stringMatching(/^acme~1~1 below \d+ is not here/),
    ]);
    for (const name of [first, second]) {
      const alone = await verified([name], [], false);
      expect(alone.faults).toEqual([]);
      expect(alone.logs.every(({ covered, end }) => covered === end)).toBe(true);
    }
  });

  it('are found wanting when one of their archives is, or was changed', async () => {
    await apply();
    const files = (await readdir(dir)).filter((name) => name.startsWith('acme')).sort() as [string, string];
    const { first } = await verified([files[0]], HEADS);
    expect(first).toMatchObject({ log: 'acme~0~1', what: 'records between two parts are missing' });
    const text = await readFile(join(dir, files[1]), 'utf8');
    const [, leaf] = /^leaves [^\n]*\n([^\n]+)/m.exec(text)!;
    const other = Buffer.from(Buffer.from(leaf!, 'base64').toString().replace('allow', 'refus')).toString(
      'base64',
    );
    await writeFile(join(dir, files[1]), text.replace(leaf!, other));
    expect((await verified(files, HEADS)).verdict).toBe('tampering');
  });

  it('leave hashes from which a log is taken up again, and appends repeated', async () => {
    await apply();
    const { rows } = await writer.query(
      'select index::int, canonical, bytes, leaf from audit.stored_records($1, 0)',
      ['acme~0~1'],
    );
    expect(rows).toHaveLength(61);
    expect(rows[0]).toMatchObject({ index: 0, canonical: null, bytes: null });
    const leaves = await writer.query('select leaf from audit.leaf_at($1, $2)', ['acme~0~1', 0]);
    expect(rows[0].leaf).toBe(leaves.rows[0].leaf);
    const again = LOGS[0]!.texts.slice(0, POISON);
    expect(Number((await append(writer, 'acme~0~1', 0, again)).head)).toBe(61);
    const other = again.with(3, again[3]!.replace('allow', 'refus'));
    expect(await refusal(append(writer, 'acme~0~1', 0, other))).toMatchObject({ code: 'AL002' });
  });

  it('are readable by nobody but the owner once they are out, and dropped only with their archives at hand', async () => {
    await apply();
    const tables = `select relname from pg_class where relname like 'archived\\_2%' and relkind = 'r' order by 1`;
    const names = (await owner.query<{ relname: string }>(tables)).rows.map(({ relname }) => relname);
    expect(names).toHaveLength(2);
    for (const who of ['audit_reader', 'audit_writer'] as const) {
      const client = await database.as(who);
      expect((await refusal(client.query(`select * from audit.${names[0]}`))).code).toBe('42501');
    }
    expect((await refusal(owner.query(`delete from audit.${names[0]}`))).text).toContain('append-only');
    const [file] = (await readdir(dir)).sort() as [string];
    const text = await readFile(join(dir, file), 'utf8');
    await writeFile(join(dir, file), `${text}x`);
    const stays = await retention('--drop', '--out', dir, '--json');
    expect(stays.code).toBe(3);
    expect(JSON.parse(stays.stdout)).toEqual({ dropped: [names[1]], stays: [names[0]] });
    await writeFile(join(dir, file), text);
    expect(JSON.parse((await retention('--drop', '--out', dir, '--json')).stdout)).toEqual({
      ...{ dropped: [names[0]], stays: [] },
    });
    expect((await owner.query(tables)).rows).toEqual([]);
  });

  it('come a year later than the first ones and go on from them', async () => {
    await apply(7);
    await apply(6);
    const files = (await readdir(dir)).filter((name) => name.startsWith('acme')).sort();
    expect(files).toHaveLength(2);
    expect((await verified(files, HEADS)).verdict).toBe('good');
  });
});

describe('a record that was quarantined a moment ago', () => {
  /** Six records of eight months ago, one of which Postgres refused only now. */
  async function lateLog(late: number): Promise<SignedLog> {
    const log = signedLog({
      ...{ log: 'acme~2~1', records: 6, every: 6, time: monthsAgo(8), stepMs: 1000 },
      members: (index) => (index === late ? { correlation: '\u0000' } : undefined),
    });
    for (const [index, text] of log.texts.entries()) {
      const where = [log.log, index];
      if (index !== late) await append(writer, log.log, index, [text]);
      else await writer.query(`select audit.quarantine($1, $2, $3, '22P05')`, [...where, Buffer.from(text)]);
    }
    for (const { size, root, note } of log.checkpoints) {
      await writer.query('select audit.store_checkpoint($1, $2, $3, $4)', [
        ...[log.log, size, Buffer.from(root), note],
      ]);
    }
    return log;
  }
  const kept = async () =>
    (await owner.query(`select index::int from audit.quarantined where log = 'acme~2~1'`)).rows;

  it('stays when the records before it go, and all of them verify together', async () => {
    const log = await lateLog(5);
    expect((await apply()).code).toBe(0);
    expect(await kept()).toEqual([{ index: 5 }]);
    const parts = await owner.query(`select first::int, past::int from audit.archive where log = 'acme~2~1'`);
    expect(parts.rows).toEqual([{ first: 0, past: 5 }]);
    const files = (await readdir(dir)).filter((name) => name.startsWith('acme')).sort();
    expect(await verified(files, [...HEADS, headOf(log)])).toMatchObject({ verdict: 'good', records: 128 });
    await append(writer, 'acme~2~1', 6, [record('acme~2~1', 6, {}, monthsAgo(7))]);
    const { stdout } = await retention('--keep-months', '6');
    expect(stdout).toMatch(new RegExp(`^${nameOf(7)}: .*; stays: acme~2~1/5 stands among its records`));
  });

  it('keeps its month from going while others of it follow, until it is old enough itself', async () => {
    await lateLog(2);
    const { code, stdout } = await retention('--keep-months', '6');
    expect(code).toBe(3);
    expect(stdout).toContain('acme~2~1/2 stands among its records, and was quarantined later');
    expect(stdout).toContain(`${nameOf(8)} stays`);
    expect((await apply()).code).toBe(3);
    expect(await readdir(dir)).toEqual([]);
    await owner.query('alter table audit.quarantined disable trigger append_only');
    await owner.query(`update audit.quarantined set at = $1 where log = 'acme~2~1'`, [
      new Date(monthsAgo(7)),
    ]);
    await owner.query('alter table audit.quarantined enable always trigger append_only');
    expect((await apply()).code).toBe(0);
    expect(await kept()).toEqual([]);
  });
});

describe('a month stays', () => {
  it('while a tenant of it is held, and every later one with it', async () => {
    await writer.query(`select audit.set_hold('globex', true, 'case 7', 'r1')`);
    const { code, stdout } = await retention('--keep-months', '6');
    expect(code).toBe(3);
    expect(stdout).toContain('stays: globex is held');
    expect((await apply()).code).toBe(3);
    expect(await readdir(dir)).toEqual([]);
    await writer.query(`select audit.set_hold('globex', false, 'closed', 'r2')`);
    expect((await apply()).code).toBe(0);
  });

  it('while no checkpoint covers it', async () => {
    await owner.query('alter table audit.checkpoint disable trigger append_only');
    await owner.query(`delete from audit.checkpoint where log = 'globex~0~1'`);
    const { code, stdout } = await retention('--keep-months', '6');
    expect(code).toBe(3);
    expect(stdout).toContain('of globex~0~1: ask the gateway for one');
    expect(stdout).toContain(`${nameOf(7)}: `);
    expect(stdout).toContain(`${nameOf(8)} stays`);
  });

  it('when its records are not the ones that were signed, and nothing is taken out', async () => {
    const superuser = await database.as('postgres');
    const partition = `audit.record_${nameOf(8).replace('-', '_')}`;
    await superuser.query(`alter table ${partition} disable trigger all`);
    await superuser.query(
      `update ${partition} set canonical = replace(canonical, '"allow"', '"refus"') where log = 'acme~0~1' and index = 2`,
    );
    await superuser.end();
    const { code, stdout } = await apply();
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toContain('does not verify, and nothing was taken out');
    expect(await readdir(dir)).toEqual([]);
  });

  it('when one of its records is gone', async () => {
    const superuser = await database.as('postgres');
    const partition = `audit.record_${nameOf(8).replace('-', '_')}`;
    await superuser.query(`alter table ${partition} disable trigger all`);
    await superuser.query(`delete from ${partition} where log = 'acme~0~1' and index = 2`);
    await superuser.end();
    expect((await retention('--keep-months', '6')).stdout).toContain('run audit:verify');
  });
});
