import { access, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { readInfo } from '../../local/stack/info.ts';
import { CommandError, command, type Io } from '../lib/command.ts';
import { withClient } from '../lib/database.ts';
import { readKeyFiles } from '../lib/receipt.ts';
import { type Archive, digestOf, writeArchive } from '../lib/retention/archive.ts';
import { archivesOf, detachedTables, dropTable, takeOut } from '../lib/retention/carry-out.ts';
import { lastMonthBefore, type Month, planMonths } from '../lib/retention/plan.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** 45 CFR 164.316(b)(2)(i): six years. */
const KEEP_MONTHS = 72;
/** A month that is still written to, or that a restored object may send again, is no candidate. */
const LEAST_MONTHS = 3;

await command({
  usage: 'npm run audit:retention --',
  summary:
    'Says which months of the audit log are older than they have to be kept, and with --apply writes each to archives that ' +
    'verify by themselves, and takes it out of the database. The owner’s connection string is read from AUDIT_OWNER_URL or, ' +
    'without it, from the running local stack.',
  options: {
    'keep-months': {
      ...{ type: 'string', value: 'N', default: String(KEEP_MONTHS) },
      help: 'how long records stay in the database; six years, as HIPAA has it',
    },
    out: { type: 'string', value: 'DIR', help: 'where archives are written; with --drop, where they are' },
    apply: { type: 'boolean', help: 'write archives and take months out; without it nothing is changed' },
    drop: {
      type: 'boolean',
      help: 'drop the tables that were taken out, when their archives lie in --out unchanged',
    },
    key: {
      type: 'string',
      value: 'VKEY',
      multiple: true,
      help: 'a verifier key of the gateway; may be repeated',
    },
    keys: { type: 'string', value: 'FILE', help: 'a file of verifier keys, separated by white space' },
  },
  exitCodes: { 3: 'a month that is old enough stays; why is said', 130: 'stopped by Ctrl-C' },
  async run(values, _positionals, io) {
    const { out, apply, drop, 'keep-months': keep } = values;
    const months = Number(keep);
    if (!/^\d{1,4}$/.test(String(keep)) || months < LEAST_MONTHS) {
      throw new CommandError(`--keep-months is a number of at least ${LEAST_MONTHS}.`, 2);
    }
    if ((apply === true || drop === true) && typeof out !== 'string') {
      throw new CommandError('Say where archives lie: --out DIR.', 2);
    }
    if (apply === true && drop === true) throw new CommandError('--apply and --drop are two steps.', 2);
    const keys = await readKeyFiles(values.key as string[] | undefined, values.keys as string | undefined);
    if (apply === true && keys.length === 0) {
      throw new CommandError('Archives are verified before anything is taken out: give --key or --keys.', 2);
    }
    let stopped = false;
    const onInterrupt = () => {
      stopped = true;
    };
    process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
    try {
      return await withClient(await ownerUrl(), 'audit-retention', async (client) => {
        if (drop === true) return dropDetached(client, resolve(String(out)), io);
        const plan = await planMonths(client, lastMonthBefore(new Date(), months));
        if (apply !== true) return tell(plan, io);
        await mkdir(String(out), { recursive: true });
        const done: Done[] = [];
        for (const month of plan) {
          if (stopped)
            throw new CommandError('Stopped between two months; what was taken out is whole.', 130);
          if (month.blocks.length > 0) break;
          done.push(await archiveMonth(client, month, resolve(String(out)), keys, io));
        }
        const left = plan.slice(done.length);
        if (io.json) io.out(JSON.stringify({ archived: done, stays: left.map(summaryOf) }));
        for (const { month, blocks } of left) io.note(`${month} stays: ${blocks.join('; ')}`);
        if (done.length === 0 && left.length === 0) io.note('No month is old enough.');
        return left.length > 0 ? 3 : 0;
      });
    } finally {
      process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    }
  },
});

interface Done {
  readonly month: string;
  readonly table: string;
  readonly archives: readonly { readonly file: string; readonly sha256: string; readonly records: number }[];
}

async function archiveMonth(
  client: pg.Client,
  month: Month,
  dir: string,
  keys: Parameters<typeof writeArchive>[3],
  io: Io,
): Promise<Done> {
  const archives: Archive[] = [];
  for (const [tenant, parts] of Map.groupBy(month.parts, (part) => part.tenant)) {
    const file = await freeName(dir, `${tenant}-${month.month}`);
    archives.push(await writeArchive(client, file, parts, keys));
    io.note(`${month.month}: wrote ${file}`);
  }
  const table = await takeOut(client, month, archives);
  io.note(`${month.month}: taken out; audit.${table} holds it until --drop`);
  const told = archives.map(({ file, sha256, records }) => ({ file, sha256, records }));
  if (!io.json)
    for (const { file, sha256, records } of told) io.out(`${sha256}  ${file}  ${records} records`);
  return { month: month.month, table, archives: told };
}

/** A month that was archived before may get records again: of a log whose object was restored. */
async function freeName(dir: string, name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const file = join(dir, `${name}${number === 1 ? '' : `-${number}`}.bundle`);
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (!there) return file;
  }
}

function tell(plan: readonly Month[], io: Io): number {
  if (io.json) io.out(JSON.stringify({ months: plan.map(summaryOf) }));
  else if (plan.length === 0) io.out('No month is old enough.');
  else {
    for (const { month, records, tenants, blocks } of plan.map(summaryOf)) {
      const what = `${month}: ${records} records of ${tenants.join(', ') || 'nobody'}`;
      io.out(blocks.length > 0 ? `${what}; stays: ${blocks.join('; ')}` : `${what}; would be archived`);
    }
    io.note('Nothing was changed: add --apply and --out DIR.');
  }
  return plan.some(({ blocks }) => blocks.length > 0) ? 3 : 0;
}

function summaryOf({ month, parts, blocks }: Month) {
  return {
    month,
    records: parts.reduce((sum, part) => sum + part.records, 0),
    tenants: [...new Set(parts.map(({ tenant }) => tenant))],
    blocks,
  };
}

async function dropDetached(client: pg.Client, dir: string, io: Io): Promise<number> {
  const dropped: string[] = [];
  const stays: string[] = [];
  for (const table of await detachedTables(client)) {
    const bad: string[] = [];
    for (const { name, sha256 } of await archivesOf(client, table)) {
      const found = await digestOf(join(dir, name)).catch(() => undefined);
      if (found !== sha256) bad.push(`${name} is ${found === undefined ? 'not there' : 'another file'}`);
    }
    if (bad.length === 0) {
      await dropTable(client, table);
      dropped.push(table);
      io.note(`dropped audit.${table}`);
    } else {
      stays.push(table);
      io.note(`audit.${table} stays: ${bad.join('; ')}`);
    }
  }
  if (io.json) io.out(JSON.stringify({ dropped, stays }));
  else if (dropped.length + stays.length === 0) io.out('Nothing that was taken out is left.');
  return stays.length > 0 ? 3 : 0;
}

async function ownerUrl(): Promise<string> {
  const url = process.env.AUDIT_OWNER_URL || (await readInfo(ROOT))?.auditOwnerUrl;
  if (url) return url;
  throw new CommandError(
    'Set AUDIT_OWNER_URL to the connection string of the owner, or run `npm start` first.',
  );
}
