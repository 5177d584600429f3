import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

const PATIENCE_MS = 30_000;
const POLL_MS = 50;

/**
 * Holds the requests that were answered against those that the audit log knows of: in Postgres, the sum of `count` (1
 * where absent) over all outcomes.
 */
export class Ledger {
  readonly #owner: pg.Client;
  readonly #objects: string;
  /** By log: the index up to which its outcomes are in `#recorded`. */
  readonly #read = new Map<string, number>();
  #recorded = 0;
  #answered = 0;

  readonly #patienceMs: number;

  /**
   * @param objects the folder of the gateway's Durable Objects.
   * @param patienceMs how long a record may take to reach Postgres.
   */
  constructor(owner: pg.Client, objects: string, patienceMs = PATIENCE_MS) {
    this.#owner = owner;
    this.#objects = objects;
    this.#patienceMs = patienceMs;
  }

  /**
   * Waits until the records of everything that was answered are in Postgres, or in a counter whose window is still open.
   * Returns what does not hold, and begins anew from what is there; `undefined` when all is well.
   */
  async settle(answered: number): Promise<string | undefined> {
    this.#answered += answered;
    return this.#wait(this.#patienceMs, async () => (await this.#inPostgres()) + (await this.#inCounters()));
  }

  /** The same with every window closed: Postgres alone holds them all. */
  async settleAll(withinMs: number): Promise<string | undefined> {
    return this.#wait(withinMs, () => this.#inPostgres());
  }

  async #wait(withinMs: number, count: () => Promise<number>): Promise<string | undefined> {
    const end = Date.now() + withinMs;
    let found = await count();
    while (found !== this.#answered && Date.now() < end) {
      await sleep(POLL_MS);
      found = await count();
    }
    if (found === this.#answered) return undefined;
    const fault = `${this.#answered} requests were answered, and the log knows of ${found}`;
    this.#answered = found;
    return fault;
  }

  /** Reads what came since the last time: a record that is there never changes. */
  async #inPostgres(): Promise<number> {
    const { rows: logs } = await this.#owner.query<{ log: string }>('select log from audit.log_head');
    for (const { log } of logs) {
      const { rows } = await this.#owner.query<{ requests: string | null; next: string | null }>(
        `select sum(count) filter (where phase = 'outcome') as requests, max(index) + 1 as next
         from audit.record where log = $1 and index >= $2`,
        [log, this.#read.get(log) ?? 0],
      );
      const { requests, next } = rows[0]!;
      this.#recorded += Number(requests);
      if (next !== null) this.#read.set(log, Number(next));
    }
    return this.#recorded;
  }

  /** From a copy of the objects' databases, so that the gateway never waits for a lock of the bench's. */
  async #inCounters(): Promise<number> {
    const folder = (await readdir(this.#objects)).find((name) => name.endsWith('-AuditLog'));
    if (folder === undefined) return 0;
    const from = join(this.#objects, folder);
    const copy = await mkdtemp(join(tmpdir(), 'mem0-governance-counters-'));
    try {
      const names = await readdir(from);
      for (const name of names) await copyFile(join(from, name), join(copy, name));
      return names
        .filter((name) => name.endsWith('.sqlite'))
        .reduce((sum, name) => sum + openCounters(join(copy, name)), 0);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  }
}

function openCounters(file: string): number {
  const database = new DatabaseSync(file);
  try {
    const row = database.prepare('SELECT coalesce(sum(count), 0) AS open FROM counter').get();
    return Number(row!.open);
  } catch {
    // Copied halfway through a write, or another database of the folder: the next look tells.
    return 0;
  } finally {
    database.close();
  }
}
