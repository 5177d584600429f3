import { NeonDbError, neon, neonConfig } from '@neondatabase/serverless';

/** What a query came to. `sqlstate`: the database refused; `failed`: it was not reached, or not as a database. */
export type Asked<T> =
  | { readonly kind: 'rows'; readonly rows: readonly T[]; readonly tookMs: number }
  | { readonly kind: 'sqlstate'; readonly code: string }
  | { readonly kind: 'failed' };

/** A statement that fails whatever role it runs as (22012), so that what came before it in a batch is undone. */
const UNDO = 'select 1 / 0';
export const UNDONE = '22012';

const TIMEOUT_MS = 15_000;

/** SQL over HTTP with one login: the protocol that the Worker uses. */
export class Sql {
  readonly #url: string;

  constructor(url: string, endpoint: string | undefined) {
    this.#url = url;
    if (endpoint !== undefined) neonConfig.fetchEndpoint = endpoint;
  }

  ask<T>(text: string, params: readonly unknown[] = []): Promise<Asked<T>> {
    return this.#run(async (sql) => (await sql.query(text, [...params])) as T[]);
  }

  /** Runs statements in a transaction that cannot commit: its last statement fails. `sqlstate` UNDONE: all succeeded. */
  attempt(...texts: readonly string[]): Promise<Asked<never>> {
    return this.#run(async (sql) => {
      await sql.transaction([...texts, UNDO].map((text) => sql.query(text)));
      return [];
    });
  }

  /** Looks at the type and the SQLSTATE of an error only: the messages can hold the connection string. */
  async #run<T>(use: (sql: ReturnType<typeof neon<false, false>>) => Promise<T[]>): Promise<Asked<T>> {
    const began = performance.now();
    try {
      const sql = neon<false, false>(this.#url, {
        fetchOptions: { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' },
      });
      const rows = await use(sql);
      return { kind: 'rows', rows, tookMs: performance.now() - began };
    } catch (error) {
      const code = error instanceof NeonDbError ? error.code : undefined;
      return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)
        ? { kind: 'sqlstate', code }
        : { kind: 'failed' };
    }
  }
}
