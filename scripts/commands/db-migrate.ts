import { readFile } from 'node:fs/promises';
import { CommandError, command } from '../lib/command.ts';
import { migrate } from '../lib/migrate.ts';

const STACK = new URL('../../.local/stack.json', import.meta.url);

await command({
  usage: 'npm run db:migrate --',
  summary:
    "Brings the audit database's schema up to date, all or nothing. The owner's connection string is read from " +
    'AUDIT_OWNER_URL or, without it, from the running local stack. On Neon use the direct one, not the pooled.',
  options: {
    'dry-run': { type: 'boolean', help: 'say what would be applied and change nothing' },
  },
  async run(values, _positionals, io) {
    const dryRun = values['dry-run'] === true;
    const names = await migrate(await ownerUrl(), { dryRun, log: io.note });
    if (io.json) io.out(JSON.stringify(dryRun ? { pending: names } : { applied: names }));
    else if (names.length === 0) io.out('The schema is up to date.');
    else for (const name of names) io.out(`${dryRun ? 'would apply' : 'applied'} ${name}`);
    return 0;
  },
});

async function ownerUrl(): Promise<string> {
  const given = process.env.AUDIT_OWNER_URL;
  if (given) return given;
  const stack = await readFile(STACK, 'utf8').then(JSON.parse, () => undefined);
  if (typeof stack?.auditOwnerUrl === 'string') return stack.auditOwnerUrl;
  throw new CommandError(
    'Set AUDIT_OWNER_URL to the connection string of the owner, or run `npm start` first.',
  );
}
