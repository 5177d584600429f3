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
  #coalesced = false;

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
   * @param coalesced whether some of it may be in a counter; from then on, counters are looked at.
   */
  async settle(answered: number, coalesced = false): Promise<string | undefined> {
    this.#answered += answered;
    this.#coalesced ||= coalesced;
    return this.#wait(this.#patienceMs, async () => {
      // The counters first: what leaves one meanwhile is seen twice, and gone at the next look.
      const counted = this.#coalesced ? await this.#inCounters() : 0;
      return counted + (await this.#inPostgres());
    });
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

  /** Reads what came since the last time, of the logs that have grown: a record that is there never changes. */
  async #inPostgres(): Promise<number> {
    const { rows: heads } = await this.#owner.query<{ log: string; head: string }>(
      'select log, head from audit.log_head',
    );
    const grown = heads.filter(({ log, head }) => Number(head) > (this.#read.get(log) ?? 0));
    if (grown.length === 0) return this.#recorded;
    const { rows } = await this.#owner.query<{ requests: string | null }>(
      // Log by log, so that the index is used however many records there are: the gateway must not sleep meanwhile.
      `select sum(requests) as requests
       from unnest($1::text[], $2::bigint[], $3::bigint[]) as grown (name, first, head), lateral (
         select sum(count) filter (where phase = 'outcome') as requests
         from audit.record where log = name and index >= first and index < head
       ) as came`,
      [
        grown.map(({ log }) => log),
        grown.map(({ log }) => this.#read.get(log) ?? 0),
        grown.map(({ head }) => head),
      ],
    );
    this.#recorded += Number(rows[0]?.requests);
    for (const { log, head } of grown) this.#read.set(log, Number(head));
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
      for (const name of names) await copyUnlessGone(join(from, name), join(copy, name));
      return names
        .filter((name) => name.endsWith('.sqlite'))
        .reduce((sum, name) => sum + openCounters(join(copy, name)), 0);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  }
}

/** An object that closes takes the files beside its database away; what it writes into that, the next look tells. */
async function copyUnlessGone(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
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
