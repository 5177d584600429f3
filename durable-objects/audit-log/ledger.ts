import { COSIGNED } from '../../core/checkpoint.ts';
import { logName } from '../../core/names.ts';
import { type Place, type RecordMembers, type SealedRecord, seal } from '../../core/record.ts';
import { TILE_WIDTH } from '../../core/tiles.ts';
import type { Sql } from '../storage/sql.ts';
import { countQuiet } from './checkpoint-state.ts';
import { Rows } from './rows.ts';
import { type State, saveState } from './schema.ts';
import { packLeaves } from './tree.ts';

/**
 * One change of the log, inside one transaction: it reads and moves a copy of the state and is written back at
 * its end. Whoever holds a Change must not await, because records are sealed with the head that it read.
 */
export class Change {
  /** The object's SQLite, with all that this change has added so far. */
  readonly sql: Sql;
  /** What waits to be written; `sql` writes it before it does anything else. */
  readonly rows: Rows;
  readonly state: State;
  /** Now, but never before the last record's time. */
  readonly now: number;

  constructor(sql: Sql, state: State, wall: number) {
    this.rows = new Rows(sql);
    this.sql = {
      exec: (query, ...bindings) => {
        this.rows.write();
        return sql.exec(query, ...bindings);
      },
      transaction: (run) => sql.transaction(run),
    };
    this.state = { ...state };
    this.now = Math.max(state.lastTime, Math.trunc(wall));
  }

  get log(): string {
    return logName(this.state);
  }

  /**
   * Puts a record at the head: its text, its leaf hash and the new head belong to one transaction.
   * @param draft the members' canonical text, where it is there already.
   * @throws TypeError when the members have no canonical form; nothing is written then.
   */
  add(members: RecordMembers, draft?: readonly string[]): SealedRecord {
    const { state } = this;
    const sealed = seal(members, state, state.size, this.now, draft);
    this.rows.addRecord(state.epoch, sealed);
    state.size++;
    if (state.size % TILE_WIDTH === 0) packLeaves(this.sql, state.epoch, state.size, 1);
    state.lastTime = sealed.time;
    if (members.phase === 'event' && members.reasons.includes(COSIGNED)) countQuiet(this);
    state.unflushedBytes += sealed.size;
    return sealed;
  }

  place(epoch: number, index: number): Place {
    return { log: logName({ ...this.state, epoch }), index };
  }
}

/** Runs a change in one transaction and returns its result with the state that is durable then. */
export function change<T>(
  sql: Sql,
  state: State,
  wall: number,
  run: (change: Change) => T,
): { readonly result: T; readonly state: State } {
  return sql.transaction(() => {
    const current = new Change(sql, state, wall);
    const result = run(current);
    current.rows.write();
    saveState(sql, current.state);
    return { result, state: current.state };
  });
}
