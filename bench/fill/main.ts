import { DatabaseSync } from 'node:sqlite';
import type { AppendEntry } from '../../core/rpc.ts';
import { Flusher } from '../../durable-objects/audit-log/flush.ts';
import { AuditMachine } from '../../durable-objects/audit-log/machine.ts';
import { neonSink } from '../../durable-objects/audit-log/neon.ts';
import { SETTINGS } from '../../durable-objects/audit-log/testing/entries.ts';
import type { Sql, SqlRow, SqlValue } from '../../durable-objects/storage/sql.ts';
import { sampleMembers } from '../micro/sample.ts';
import type { Fill, Filled } from './types.ts';

// Makes a log long with the modules of its object, in the object's own storage: many times as fast as by requests.

/** About what the requests of a busy isolate share. */
const BATCH = 100;
/** What may wait for Postgres. */
const AHEAD_BYTES = 16 * 1024 ** 2;
const SQL_TIMEOUT_MS = 60_000;

const { promise: disconnected, resolve: disconnect } = Promise.withResolvers<void>();
process.on('disconnect', disconnect);
process.on('SIGINT', () => {});
process.once('message', (first: Fill) => {
  const log = new Log(first);
  const run = async ({ size }: Fill) => {
    process.send?.({ appended: await log.fill(size) } satisfies Filled);
  };
  process.on('message', run);
  void run(first);
  void disconnected.then(() => log.close());
});
process.send?.({ appended: 0 } satisfies Filled);

/** The storage of an object, as workerd left it. */
class Storage implements Sql {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    // What is lost with the machine's power is lost with the bench.
    this.#database.exec('PRAGMA synchronous = OFF');
  }

  exec<R extends SqlRow>(query: string, ...bindings: SqlValue[]): R[] {
    return this.#database.prepare(query).all(...bindings) as unknown as R[];
  }

  transaction<T>(run: () => T): T {
    this.#database.exec('BEGIN');
    try {
      const result = run();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}

class Log {
  readonly #storage: Storage;
  readonly #machine: AuditMachine;
  readonly #flusher: Flusher;
  readonly #tenant: string;

  constructor({ file, tenant, writerUrl, endpoint }: Fill) {
    this.#storage = new Storage(file);
    this.#tenant = tenant;
    this.#machine = new AuditMachine(this.#storage, SETTINGS, { tenant, shard: 0 });
    this.#flusher = new Flusher({
      machine: this.#machine,
      sink: neonSink(writerUrl, endpoint, SQL_TIMEOUT_MS),
      log: (event, fields) => console.error(event, fields),
      now: Date.now,
      batchRows: SETTINGS.batchRows,
      intervalMs: SETTINGS.flushIntervalMs,
      random: Math.random,
    });
  }

  /** Appends until there are `size` records and Postgres has them. @throws Error when one is refused. */
  async fill(size: number): Promise<number> {
    const begin = this.#machine.state.size;
    while (this.#machine.state.size < size) {
      const entries = Array.from({ length: Math.min(BATCH, size - this.#machine.state.size) }, () =>
        this.#entry(),
      );
      const refused = this.#machine.append(entries, Date.now()).find(({ ok }) => !ok);
      if (refused) throw new Error(`the log refused a record: ${JSON.stringify(refused)}`);
      void this.#flush();
      if (this.#machine.state.unflushedBytes > AHEAD_BYTES) await this.#flush();
      else await new Promise(setImmediate);
    }
    while (this.#machine.state.flushed < this.#machine.state.size) await this.#flush();
    return this.#machine.state.size - begin;
  }

  async #flush(): Promise<void> {
    await this.#flusher.flush();
    if (this.#flusher.failures > 0)
      throw new Error(`Postgres did not take records: ${this.#flusher.lastFailure}`);
  }

  #entry(): AppendEntry {
    const members = { ...sampleMembers(), tenant: this.#tenant };
    return { key: `${members.request_id}:outcome`, members };
  }

  close(): void {
    this.#storage.close();
    process.exit();
  }
}
