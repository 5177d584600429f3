import { connect } from 'node:net';
import pg from 'pg';
import { type Address, giveBack, type Pools } from './pools.ts';
import type { SqlRequest, Statement } from './request.ts';

export interface Result {
  /** First word of the command tag; null for an empty statement. */
  readonly command: string | null;
  readonly rowCount: number | null;
  readonly rows: readonly unknown[];
  readonly fields: readonly pg.FieldDef[];
  readonly rowAsArray: boolean;
}

/** The rows of an answer came to more bytes than may be sent. */
export class TooLarge extends Error {}

/**
 * Carries a request out on a connection of its login: a single statement on its own, a batch in one transaction
 * that is rolled back on any error. Each goes through the extended protocol, which takes one statement at a time.
 * When `signal` is aborted, the database is asked to cancel what runs, and the reason is thrown.
 *
 * @throws pg.DatabaseError, TooLarge, the signal's reason, or the error of a connection that broke.
 */
export async function execute(
  pools: Pools,
  request: SqlRequest,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Result[]> {
  const client = await pools.take(request.login);
  // The pool listens only while the connection is idle; the statement that runs gets the same error.
  const broken = () => {};
  client.on('error', broken);
  let cancelled: Promise<void> | undefined;
  const cancel = () => {
    cancelled = cancelBackend(pools.address, client);
  };
  signal.addEventListener('abort', cancel);
  const room = { bytes: maxBytes };
  try {
    signal.throwIfAborted();
    const results: Result[] = [];
    if (request.begin !== undefined) await client.query(request.begin);
    for (const statement of request.statements) {
      results.push(await run(client, statement, request.arrayMode, room));
      signal.throwIfAborted();
    }
    if (request.begin !== undefined) await client.query('commit');
    return results;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', cancel);
    // A cancellation that comes late must not hit the next one to use the connection.
    void Promise.resolve(cancelled)
      .then(() => giveBack(client))
      .finally(() => client.off('error', broken));
  }
}

function run(
  client: pg.PoolClient,
  { query, params }: Statement,
  arrayMode: boolean,
  room: { bytes: number },
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const rows: unknown[] = [];
    const config = { text: query, values: [...params], rowMode: 'array' as const, queryMode: 'extended' };
    const running = new pg.Query<(string | null)[]>(config);
    running.on('row', (row: (string | null)[], result) => {
      for (const value of row) room.bytes -= value === null ? 4 : Buffer.byteLength(value) + 2;
      if (room.bytes < 0) return;
      rows.push(arrayMode ? row : Object.fromEntries(row.map((v, i) => [result!.fields[i]!.name, v])));
    });
    running.on('error', reject);
    running.on('end', ({ command, rowCount, fields }) => {
      if (room.bytes < 0) return reject(new TooLarge());
      resolve({ command, rowCount, fields, rows, rowAsArray: arrayMode });
    });
    client.query(running);
  });
}

/** Sends Postgres's cancel request on a connection of its own, which needs no login; resolves when it was taken. */
function cancelBackend({ host, port }: Address, client: pg.PoolClient): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const packet = Buffer.alloc(16);
  [packet.length, CANCEL_REQUEST, processID, secretKey].forEach((value, i) => {
    packet.writeInt32BE(value, 4 * i);
  });
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.end(packet));
    // When the database is gone there is nothing to cancel.
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
  });
}

const CANCEL_REQUEST = 80877102;
