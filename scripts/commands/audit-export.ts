import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { readerUrl, withTenant } from '../lib/database.ts';
import { exportLines, FORMATS } from '../lib/export.ts';
import { writeNewFile } from '../lib/new-file.ts';
import { timeOption } from '../lib/time.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRESS_MS = 2000;

await command({
  usage: 'npm run -s audit:export --',
  summary:
    "Writes a tenant's audit records as JSON lines, each log in its order. The connection string of audit_reader is " +
    'read from AUDIT_READER_URL or, without it, from the running local stack.',
  options: {
    tenant: {
      type: 'string',
      value: 'ID',
      help: 'whose records; ~strangers: of callers that nobody identified',
    },
    format: {
      type: 'string',
      value: 'FORMAT',
      default: 'native',
      help: 'native, the records with their hashes, or ocsf, events of OCSF 1.9',
    },
    from: { type: 'string', value: 'TIME', help: 'records from this time on, RFC 3339' },
    to: { type: 'string', value: 'TIME', help: 'records before this time' },
    log: { type: 'string', help: 'one log only, as acme~0~1' },
    out: { type: 'string', value: 'FILE', help: 'a new file, readable by you alone; else standard output' },
  },
  exitCodes: {
    1: 'failed, or a row is not the record of its place',
    3: 'done, but records below the end of a log are not in the database',
    130: 'stopped by Ctrl-C',
  },
  async run({ tenant, format: name, from, to, log, out }, _positionals, io) {
    if (tenant === undefined) throw new CommandError('Say which: --tenant ID.', 2);
    const format = FORMATS.find((each) => each === name);
    if (format === undefined) throw new CommandError(`--format is ${FORMATS.join(' or ')}.`, 2);
    if (io.json && out === undefined) {
      throw new CommandError('--json needs --out: the records go to standard output.', 2);
    }
    const period = { from: timeOption('--from', from), to: timeOption('--to', to) };
    const stop = new AbortController();
    const onInterrupt = () => stop.abort();
    process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
    let told = Date.now();
    const progress = (records: number, at: string) => {
      if (Date.now() - told < PROGRESS_MS) return;
      told = Date.now();
      io.note(`${records} records, in ${at}`);
    };
    const exported = { records: 0, missing: 0, archived: 0, unreadable: 0 };
    try {
      await withTenant(await readerUrl(ROOT), 'audit-export', String(tenant), (reader) =>
        write(
          exportLines(
            reader,
            { format, ...period, log: log as string | undefined, signal: stop.signal, progress },
            exported,
          ),
          out as string | undefined,
        ),
      );
    } catch (error) {
      if (stop.signal.aborted)
        throw new CommandError('Stopped. Nothing is left of it but what was printed.', 130);
      throw error;
    } finally {
      process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    }
    const { records, missing, archived, unreadable } = exported;
    if (io.json) io.out(JSON.stringify(exported));
    io.note(`${records} records.`);
    if (unreadable > 0) io.note(`${unreadable} rows are not the records of their places, and were left out.`);
    if (archived > 0) io.note(`${archived} older ones are in archives, and not here.`);
    if (missing > 0) io.note(`${missing} records below the end of a log are not in the database.`);
    if (unreadable > 0) return 1;
    return missing > 0 ? 3 : 0;
  },
});

async function write(lines: AsyncIterable<string>, file: string | undefined): Promise<void> {
  if (file === undefined) {
    try {
      await pipeline(lines, process.stdout, { end: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new CommandError('Nobody reads any more.');
      throw error;
    }
    return;
  }
  await writeNewFile(file, async (write) => {
    for await (const text of lines) await write(text);
  });
}
