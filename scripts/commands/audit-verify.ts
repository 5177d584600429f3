import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseLogName, STRANGERS } from '../../core/names.ts';
import { parseVerifierKey, type VerifierKey } from '../../core/note.ts';
import { readInfo } from '../../local/stack/info.ts';
import { fetchTokenOf } from '../../local/stack/tokens.ts';
import { CommandError, command, type Io } from '../lib/command.ts';
import { readerUrl, withSnapshot } from '../lib/database.ts';
import { writeNewFile } from '../lib/new-file.ts';
import { readKeyFiles, readText } from '../lib/receipt.ts';
import { readBundle } from '../lib/verify/bundle.ts';
import { askGateway } from '../lib/verify/gateway.ts';
import { headOf } from '../lib/verify/heads.ts';
import { EXIT_CODES, reportLines } from '../lib/verify/report.ts';
import { type Section, Unreadable } from '../lib/verify/sections.ts';
import { storedSections } from '../lib/verify/stored.ts';
import { type Report, type Source, type VerifyOptions, verify } from '../lib/verify/verify.ts';
import { writeBundle } from '../lib/verify/write.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRESS_MS = 2000;

await command({
  usage: 'npm run -s audit:verify --',
  summary:
    "Verifies a tenant's audit log: every record's hash, order, gaps, doubles, signatures, and that each checkpoint goes on " +
    'from the one before. Reads Postgres (--tenant; AUDIT_READER_URL or the running local stack) or bundles (--bundle). ' +
    'That nothing was cut off or signed anew can only be told from outside: --gateway, --anchor, or the key of a witness.',
  options: {
    tenant: {
      type: 'string',
      value: 'ID',
      help: 'whose logs in Postgres; ~strangers: of unidentified callers',
    },
    bundle: {
      ...{ type: 'string', value: 'FILE', multiple: true },
      help: 'a bundle or archive; may be repeated, and given besides --tenant',
    },
    export: { type: 'string', value: 'FILE', help: 'write what was read from Postgres to a new bundle' },
    gateway: {
      ...{ type: 'string', value: 'URL' },
      help: 'ask a running gateway for heads; token with audit_read in AUDIT_TOKEN',
    },
    anchor: {
      ...{ type: 'string', value: 'FILE', multiple: true },
      help: 'a checkpoint or receipt that you kept',
    },
    key: {
      ...{ type: 'string', value: 'VKEY', multiple: true },
      help: 'a verifier key of the gateway or of a witness; may be repeated',
    },
    keys: { type: 'string', value: 'FILE', help: 'a file of verifier keys, separated by white space' },
    'bundled-keys': {
      type: 'boolean',
      help: 'believe the keys in the bundle, too: whoever forges it chooses them',
    },
  },
  exitCodes: {
    0: 'good',
    1: 'tampering: the first bad log and index are named',
    2: 'could not be checked, or not wholly',
    130: 'stopped by Ctrl-C',
  },
  async run(values, _positionals, io) {
    const { tenant, bundle, export: out, gateway: url, anchor, key, keys } = values as Values;
    const files = bundle ?? [];
    if (tenant === undefined && files.length === 0) {
      throw new CommandError('Say what to verify: --tenant ID or --bundle FILE.', 2);
    }
    if (out !== undefined && tenant === undefined) throw new CommandError('--export needs --tenant.', 2);
    const stop = new AbortController();
    const onInterrupt = () => stop.abort();
    process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
    try {
      const given = [
        ...(await readKeyFiles(key, keys)),
        ...(values['bundled-keys'] === true ? (await Promise.all(files.map(bundledKeys))).flat() : []),
      ];
      const whose = tenant ?? (await tenantOf(files[0]!));
      if (url !== undefined && whose === STRANGERS) {
        const instead = 'give --anchor, or the key of a witness';
        throw new CommandError(
          `A gateway tells nobody of ${STRANGERS}, because no token is of it: ${instead}.`,
          2,
        );
      }
      const gateway = url === undefined ? undefined : askGateway(url, await tokenFor(whose), whose);
      const trusted = given.length > 0 || gateway === undefined ? given : await gateway.keys();
      const anchors = await Promise.all(
        (anchor ?? []).map(async (file) => {
          const head = headOf(await readText(file), file, trusted);
          if (parseLogName(head.log)?.tenant === whose) return head;
          throw new CommandError(`${file} is of ${head.log}, which is no log of ${whose}.`, 2);
        }),
      );
      const heads = [...anchors, ...((await gateway?.heads(trusted)) ?? [])];
      const options = { keys: trusted, heads, gateway, signal: stop.signal, progress: teller(io) };
      const report =
        tenant === undefined
          ? await verify({ ...options, sources: files.map(fileSource) })
          : await verifyStored(tenant, files.map(fileSource), out, options);
      if (io.json) io.out(JSON.stringify(report));
      else for (const line of reportLines(report)) io.out(line);
      return EXIT_CODES[report.verdict];
    } catch (error) {
      if (stop.signal.aborted) throw new CommandError('Stopped. Nothing was found to be good or bad.', 130);
      throw cannotCheck(error);
    } finally {
      process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    }
  },
});

type Values = {
  readonly tenant?: string;
  readonly bundle?: readonly string[];
  readonly export?: string;
  readonly gateway?: string;
  readonly anchor?: readonly string[];
  readonly key?: readonly string[];
  readonly keys?: string;
  readonly 'bundled-keys'?: boolean;
};

/** What cannot be checked must not look like tampering. */
function cannotCheck(error: unknown): unknown {
  if (error instanceof CommandError) return new CommandError(error.message, 2);
  return error instanceof Unreadable ? new CommandError(error.message, 2) : error;
}

/** The archives first, so that what they begin the database goes on with. */
async function verifyStored(
  tenant: string,
  archives: readonly Source[],
  out: string | undefined,
  options: Omit<VerifyOptions, 'sources'>,
): Promise<Report> {
  return withSnapshot(await readerUrl(ROOT), 'audit-verify', tenant, async (reader) => {
    const stored = (): Source => ({
      ...{ name: 'the database', current: true },
      sections: () => storedSections(reader),
    });
    if (out === undefined) return verify({ ...options, sources: [...archives, stored()] });
    return exporting(out, options.keys, stored(), (source) =>
      verify({ ...options, sources: [...archives, source] }),
    );
  });
}

/** Writes what is read of the source, too. */
function exporting(
  file: string,
  keys: readonly VerifierKey[],
  source: Source,
  run: (source: Source) => Promise<Report>,
): Promise<Report> {
  return writeNewFile(file, (write) => {
    let first = true;
    const sections = () => {
      // A fault is looked for a second time; that is not written again.
      const read = first ? writeBundle(source.sections(), keys, write) : source.sections();
      first = false;
      return read;
    };
    return run({ ...source, sections });
  });
}

function fileSource(file: string): Source {
  return { name: file, current: false, sections: () => sectionsOf(file) };
}

async function* sectionsOf(file: string): AsyncGenerator<readonly Section[], void> {
  try {
    yield* readBundle(createReadStream(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
      throw new CommandError(`${file} cannot be read (${code}).`, 2);
    }
    throw error;
  }
}

/** The sections before the first log. */
async function beginning(file: string): Promise<Section[]> {
  const found: Section[] = [];
  try {
    for await (const batch of sectionsOf(file)) {
      for (const section of batch) {
        if (section.kind === 'log' || section.kind === 'end') return found;
        found.push(section);
      }
    }
  } catch (error) {
    throw error instanceof Unreadable
      ? new CommandError(`${file} cannot be read: ${error.message}.`, 2)
      : error;
  }
  return found;
}

async function tenantOf(file: string): Promise<string> {
  const section = (await beginning(file)).find(({ kind }) => kind === 'tenant');
  if (section?.kind !== 'tenant') throw new CommandError(`${file} is no bundle.`, 2);
  return section.tenant;
}

async function bundledKeys(file: string): Promise<VerifierKey[]> {
  const sections = await beginning(file);
  const texts = sections.flatMap((section) => (section.kind === 'keys' ? section.keys : []));
  return texts.map(parseVerifierKey).filter((key) => key !== undefined);
}

/** The local stack's auditor, or whoever AUDIT_TOKEN is. */
async function tokenFor(tenant: string): Promise<string> {
  if (process.env.AUDIT_TOKEN) return process.env.AUDIT_TOKEN;
  const info = await readInfo(ROOT);
  if (info === undefined) {
    throw new CommandError('--gateway needs a token with `audit_read` in AUDIT_TOKEN.', 2);
  }
  return fetchTokenOf(info, 'auditor', tenant);
}

function teller(io: Io): NonNullable<VerifyOptions['progress']> {
  const begin = Date.now();
  let told = begin;
  return (records, log) => {
    const now = Date.now();
    if (now - told < PROGRESS_MS) return;
    told = now;
    io.note(`${records} records, ${Math.round((records * 1000) / (now - begin))} a second, in ${log}`);
  };
}
