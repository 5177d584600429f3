import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readInfo } from '../../local/stack/info.ts';
import { SETTINGS } from '../../worker/settings.ts';
import { CommandError, command } from '../lib/command.ts';
import { readerUrl, withTenant } from '../lib/database.ts';
import { findOrphans } from '../lib/orphans/find.ts';
import { homeOf, mem0Asker } from '../lib/orphans/mem0.ts';
import { judge, type Memory, memoriesToAsk, type Orphan } from '../lib/orphans/orphans.ts';
import { type Judged, tableOf, unsettled } from '../lib/orphans/report.ts';
import { timeOption } from '../lib/time.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run -s audit:orphans --',
  summary:
    'Lists the changes of a tenant of which the audit log does not know what became of them, and asks Mem0 where that ' +
    "can be known. Reads AUDIT_READER_URL, MEM0_ORIGIN, MEM0_API_KEY and the secret of the tenant's own Mem0; without " +
    'the first three, the running local stack. Changes nothing.',
  options: {
    tenant: { type: 'string', value: 'ID', help: 'whose changes' },
    since: { type: 'string', value: 'TIME', help: 'only what was recorded from this time on, RFC 3339' },
    env: {
      type: 'string',
      value: 'NAME',
      help: 'whose config/tenants.NAME.json says where the tenant’s Mem0 is (default production; dev for the local stack)',
    },
    'no-mem0': { type: 'boolean', default: false, help: 'do not ask Mem0' },
  },
  exitCodes: { 0: 'none', 1: 'some', 2: 'could not check, or wrong usage' },
  async run({ tenant: given, since: from, env, 'no-mem0': silent }, _positionals, io) {
    if (given === undefined) throw new CommandError('Say which: --tenant ID.', 2);
    const tenant = String(given);
    const since = timeOption('--since', from);
    const { orphans, judged } = await checked(async () => {
      const found = await withTenant(await readerUrl(ROOT), 'audit-orphans', tenant, (reader) =>
        findOrphans(reader, { since, now: Date.now(), orphanAfterMs: orphanAfterMs() }),
      );
      const ask = silent === true ? undefined : await askerOf(tenant, env as string | undefined);
      return { orphans: found, judged: await judgeAll(found, ask) };
    });
    const open = unsettled(judged);
    if (io.json) io.out(JSON.stringify(judged));
    else if (orphans.length === 0) io.out('Of every change it is known what became of it.');
    else {
      for (const line of tableOf(judged)) io.out(line);
      io.note(`${open} of ${orphans.length} are not settled by a correction.`);
    }
    return open === 0 ? 0 : 1;
  },
});

/** What cannot be checked must not look like a result. */
async function checked<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    throw error instanceof CommandError ? new CommandError(error.message, 2) : error;
  }
}

function orphanAfterMs(): number {
  const { schema, default: standard } = SETTINGS.ORPHAN_AFTER_MS;
  const parsed = schema.safeParse(process.env.ORPHAN_AFTER_MS || standard);
  if (!parsed.success) throw new CommandError('ORPHAN_AFTER_MS is not good.', 2);
  return parsed.data;
}

async function askerOf(tenant: string, named: string | undefined): Promise<(id: string) => Promise<Memory>> {
  const stack =
    process.env.AUDIT_READER_URL || process.env.MEM0_ORIGIN ? undefined : (await readInfo(ROOT))?.mem0;
  const env = named ?? (stack ? 'dev' : 'production');
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(env)) throw new CommandError('--env is a lower-case word.', 2);
  const file = join(ROOT, 'config', `tenants.${env}.json`);
  const document: unknown = await readFile(file, 'utf8')
    .then(JSON.parse)
    .catch(() => {
      throw new CommandError(`config/tenants.${env}.json cannot be read.`, 2);
    });
  const local = stack ? { MEM0_ORIGIN: stack.url, MEM0_API_KEY: stack.apiKey } : {};
  return mem0Asker(homeOf(tenant, document, { ...process.env, ...local }));
}

async function judgeAll(
  orphans: readonly Orphan[],
  ask: ((id: string) => Promise<Memory>) | undefined,
): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const orphan of orphans) {
    const memories = new Map<string, Memory>();
    for (const id of ask ? memoriesToAsk(orphan) : []) memories.set(id, await ask!(id));
    judged.push({ ...orphan, ...judge(orphan, memories) });
  }
  return judged;
}
