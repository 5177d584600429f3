import pg from 'pg';
import type { Login } from './request.ts';

const POOLS = 16;
const CONNECTIONS = 8;
const IDLE_MS = 10_000;
const CONNECT_MS = 5_000;

/** Values stay the text that Postgres sent. */
const AS_TEXT = { getTypeParser: () => (value: string | null) => value };

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Connection pools, one for each login; at most 16 of them, of 8 connections each, idle ones closed. */
export class Pools {
  readonly address: Address;
  /** By login; the one used last stands last. */
  readonly #pools = new Map<string, pg.Pool>();

  constructor(address: Address) {
    this.address = address;
  }

  /** A connection of that login; goes back by `giveBack`. */
  async take(login: Login): Promise<pg.PoolClient> {
    const key = JSON.stringify([login.user, login.password, login.database, login.applicationName]);
    const pool = this.#pools.get(key) ?? this.#open(login);
    this.#pools.delete(key);
    this.#pools.set(key, pool);
    try {
      return await pool.connect();
    } catch (error) {
      if (pool.totalCount === 0 && this.#pools.get(key) === pool) {
        this.#pools.delete(key);
        void pool.end();
      }
      throw error;
    }
  }

  /** Closes all connections, once they have been given back. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }

  #open(login: Login): pg.Pool {
    for (const [key, pool] of this.#pools) {
      if (this.#pools.size < POOLS) break;
      this.#pools.delete(key);
      void pool.end();
    }
    const pool = new pg.Pool({
      ...this.address,
      user: login.user,
      password: login.password,
      database: login.database,
      application_name: login.applicationName,
      max: CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      connectionTimeoutMillis: CONNECT_MS,
      types: AS_TEXT as unknown as pg.CustomTypesConfig,
    });
    // An idle connection that breaks has left the pool by then.
    pool.on('error', () => {});
    return pool;
  }
}

/**
 * Gives a connection back with nothing of its session left, open transactions included; one that cannot be
 * reset is closed.
 */
export async function giveBack(client: pg.PoolClient): Promise<void> {
  try {
    await client.query('rollback');
    await client.query('discard all');
    client.release();
  } catch (error) {
    client.release(error as Error);
  }
}
