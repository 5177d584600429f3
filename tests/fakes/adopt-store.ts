import { randomUUID } from 'node:crypto';
import type { Ids, Kind } from '../../scripts/lib/adopt/mapping.ts';
import { KINDS } from '../../scripts/lib/adopt/mapping.ts';
import { MOST, MOST_SCANNED, type NewRow, type Row, type Store } from '../../scripts/lib/adopt/store.ts';

/** How a call fails: it does nothing, its answer is lost, or it is carried out only some calls later. */
export type Failure = 'refused' | 'lost' | 'late';

export class CallFailed extends Error {}

/** A self-hosted Mem0 in memory: lists in the order of adding, as long as the server's and no longer. */
export class FakeStore implements Store {
  readonly rows = new Map<string, Row>();
  calls = 0;
  /** How the next calls fail, by their number from 0. */
  failures: ReadonlyMap<number, Failure> = new Map();
  #late: { readonly at: number; readonly row: Row }[] = [];

  put(ids: Ids, memory: string, metadata: Row['metadata'] = {}, more: Partial<Row> = {}): string {
    const id = randomUUID();
    this.rows.set(id, { id, ids, memory, metadata, ...more });
    return id;
  }

  async all(): Promise<readonly Row[]> {
    return this.#call(() => [...this.rows.values()].slice(0, MOST));
  }

  async list(ids: Ids): Promise<readonly Row[]> {
    return this.#call(() => this.#with(ids).slice(0, MOST));
  }

  async near(text: string, ids: Ids): Promise<readonly Row[]> {
    return this.#call(() =>
      this.#with(ids)
        .filter(({ memory }) => memory === text)
        .slice(0, MOST),
    );
  }

  async entities(): Promise<readonly { kind: Kind; id: string; memories: number }[]> {
    return this.#call(() => {
      const counts = new Map<string, { kind: Kind; id: string; memories: number }>();
      for (const { ids } of [...this.rows.values()].slice(0, MOST_SCANNED)) {
        for (const kind of KINDS) {
          const id = ids[kind];
          if (id === undefined) continue;
          const memories = (counts.get(`${kind} ${id}`)?.memories ?? 0) + 1;
          counts.set(`${kind} ${id}`, { kind, id, memories });
        }
      }
      return [...counts.values()];
    });
  }

  async get(id: string): Promise<Row | undefined> {
    return this.#call(() => this.rows.get(id));
  }

  async add(row: NewRow): Promise<string> {
    const id = randomUUID();
    const made = { ...row, id };
    const land = () => {
      this.rows.set(id, made);
      return id;
    };
    return this.#call(land, () => this.#late.push({ at: this.calls + 7, row: made }));
  }

  async remove(id: string): Promise<boolean> {
    return this.#call(() => this.rows.delete(id));
  }

  /** What was sent and is still under way is carried out. */
  settle(calls = Number.POSITIVE_INFINITY): void {
    for (const { row, at } of this.#late) if (at <= calls) this.rows.set(row.id, row);
    this.#late = this.#late.filter(({ at }) => at > calls);
  }

  #with(ids: Ids): Row[] {
    return [...this.rows.values()].filter((row) =>
      KINDS.every((kind) => ids[kind] === undefined || row.ids[kind] === ids[kind]),
    );
  }

  #call<T>(run: () => T, late?: () => void): T {
    const number = this.calls++;
    this.settle(number);
    const failure = this.failures.get(number);
    if (failure === undefined) return run();
    if (failure === 'late') late?.();
    if (failure === 'lost') run();
    throw new CallFailed(`call ${number} failed`);
  }
}
