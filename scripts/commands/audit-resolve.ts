import { fileURLToPath } from 'node:url';
import { openPersonal } from '../../core/personal.ts';
import { SETTINGS } from '../../worker/settings.ts';
import { CommandError, command } from '../lib/command.ts';
import { readerUrl, withTenant } from '../lib/database.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIES = `select token, jwe from audit.personal
  where tenant = current_setting('audit.tenant') and token = any ($1)`;

await command({
  usage: 'npm run -s audit:resolve --',
  summary:
    'Says what tokens of audit records stand for, from the encrypted copy in Postgres and without the gateway. The keys are read ' +
    'from AUDIT_VAULT_KEYS, the connection string of audit_reader from AUDIT_READER_URL or the running local stack.',
  positionals: ['TOKEN'],
  options: { tenant: { type: 'string', value: 'ID', help: 'whose records' } },
  exitCodes: { 3: 'the token stands for nothing: it was erased, or never was' },
  async run({ tenant }, [token], io) {
    if (tenant === undefined) throw new CommandError('Say which: --tenant ID.', 2);
    if (token === undefined) throw new CommandError('Say which token.', 2);
    const given = process.env.AUDIT_VAULT_KEYS ?? '';
    if (given === '') throw new CommandError('Set AUDIT_VAULT_KEYS to the vault keys of the gateway.', 2);
    const keys = SETTINGS.AUDIT_VAULT_KEYS.schema.safeParse(given);
    if (!keys.success) throw new CommandError('AUDIT_VAULT_KEYS holds no keys of a vault.', 2);
    const [row] = await withTenant(await readerUrl(ROOT), 'audit-resolve', String(tenant), (reader) =>
      reader.read<{ token: string; jwe: string }>(COPIES, [[token]]),
    );
    const value = row && (await openPersonal(keys.data, String(tenant), token, row.jwe));
    if (row !== undefined && value === undefined) throw new CommandError('None of the keys opens it.');
    if (io.json) io.out(JSON.stringify(value ?? null));
    else io.out(value ? `${value.kind} ${value.value}` : 'It stands for nothing.');
    return value ? 0 : 3;
  },
});
