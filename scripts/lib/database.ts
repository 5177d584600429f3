import pg from 'pg';
import { STRANGERS, TENANT_ID } from '../../core/names.ts';
import { readInfo } from '../../local/stack/info.ts';
import { CommandError } from './command.ts';

/**
 * Connects, lets `use` work, and disconnects whatever comes of it.
 * @param name what the connection is called in Postgres.
 * @throws CommandError when the URL is none, or the database cannot be reached or refuses. No password is in it.
 */
export async function withClient<T>(
  url: string,
  name: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  // Checked first, because what fails to parse would be quoted with its password.
  if (!/^postgres(ql)?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new CommandError('The connection string is not a postgresql:// URL.');
  }
  const client = new pg.Client({ connectionString: url, application_name: name });
  // A connection that breaks between two queries is reported by the next query.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    // Where a name has several addresses, the error of all of them has no message of its own.
    const { message, code } = error as NodeJS.ErrnoException;
    throw new CommandError(`The database cannot be reached: ${message || code}.`);
  }
  try {
    return await use(client);
  } catch (error) {
    if (error instanceof pg.DatabaseError) throw new CommandError(`The database refused: ${error.message}`);
    throw error;
  } finally {
    await client.end();
  }
}

/** Reads the audit tables of one tenant. */
export interface TenantReader {
  readonly tenant: string;
  /** The rows of one statement, in a read-only transaction of its own. @throws CommandError when the connection is gone */
  read<T>(text: string, values?: readonly unknown[]): Promise<readonly T[]>;
  /** The same in batches of `rows`, by a cursor: what the statement sorts or waits for, it does once. */
  stream<T>(text: string, values: readonly unknown[], rows: number): AsyncGenerator<readonly T[], void>;
}

/**
 * Lets `use` read the tenant's rows. The tenant is set in each transaction and not in the session, which a pooler
 * before the database would hand on to others.
 * @throws CommandError as `withClient`, and for what is no tenant.
 */
export async function withTenant<T>(
  url: string,
  name: string,
  tenant: string,
  use: (reader: TenantReader) => Promise<T>,
): Promise<T> {
  checkTenant(tenant);
  return withClient(url, name, (client) => {
    const ask = asker(client);
    const alone = async <R>(run: () => Promise<R>) => {
      await begin(ask, tenant);
      const result = await run();
      await ask('commit');
      return result;
    };
    return use({
      tenant,
      read: <R>(text: string, values: readonly unknown[] = []) =>
        alone(async () => (await ask(text, values)) as R[]),
      async *stream<R>(text: string, values: readonly unknown[], rows: number) {
        await begin(ask, tenant);
        yield* batches<R>(ask, 'batches', text, values, rows);
        await ask('commit');
      },
    });
  });
}

/**
 * As `withTenant`, but everything is read as it was at one moment, and streams may be read side by side.
 * @throws CommandError as `withTenant`.
 */
export async function withSnapshot<T>(
  url: string,
  name: string,
  tenant: string,
  use: (reader: TenantReader) => Promise<T>,
): Promise<T> {
  checkTenant(tenant);
  return withClient(url, name, async (client) => {
    const ask = asker(client);
    await begin(ask, tenant, 'isolation level repeatable read');
    const result = await use({
      tenant,
      read: async <R>(text: string, values: readonly unknown[] = []) => (await ask(text, values)) as R[],
      stream: <R>(text: string, values: readonly unknown[], rows: number) =>
        streamRows<R>(client, text, values, rows),
    });
    await ask('commit');
    return result;
  });
}

let cursors = 0;

/** The rows of a statement in batches, inside the transaction that the client is in; several may be read side by side. */
export async function* streamRows<R>(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
  rows: number,
): AsyncGenerator<readonly R[], void> {
  const ask = asker(client);
  const cursor = `batches_${cursors++}`;
  yield* batches<R>(ask, cursor, text, values, rows);
  await ask(`close ${cursor}`);
}

type Ask = (text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>;

function asker(client: pg.Client): Ask {
  return async (text, values = []) => {
    try {
      return (await client.query(text, [...values])).rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError) throw error;
      throw new CommandError(`The connection to the database broke: ${(error as Error).message}`);
    }
  };
}

async function begin(ask: Ask, tenant: string, how = ''): Promise<void> {
  await ask(`begin ${how} read only`);
  await ask("select set_config('audit.tenant', $1, true)", [tenant]);
}

async function* batches<R>(ask: Ask, cursor: string, text: string, values: readonly unknown[], rows: number) {
  await ask(`declare ${cursor} no scroll cursor for ${text}`, values);
  for (;;) {
    const batch = (await ask(`fetch ${rows} from ${cursor}`)) as R[];
    if (batch.length > 0) yield batch;
    if (batch.length < rows) return;
  }
}

function checkTenant(tenant: string): void {
  if (TENANT_ID.test(tenant) || tenant === STRANGERS) return;
  throw new CommandError(`--tenant is a tenant id, or ${STRANGERS}.`, 2);
}

/** Said where nothing at all was recorded of a tenant, which a name that was mistyped looks like. */
export function noLog(tenant: string): string {
  return `The database holds no log of ${tenant}: check the name, unless this tenant has never sent a request.`;
}

/**
 * The reader's connection string: AUDIT_READER_URL or, without it, the running local stack's.
 * @param root the checkout's folder.
 * @throws CommandError when there is neither.
 */
export async function readerUrl(
  root: string,
  env: { readonly [name: string]: string | undefined } = process.env,
): Promise<string> {
  const url = env.AUDIT_READER_URL || (await readInfo(root))?.auditReaderUrl;
  if (url) return url;
  throw new CommandError(
    'Set AUDIT_READER_URL to the connection string of audit_reader, or run `npm start` first.',
  );
}
