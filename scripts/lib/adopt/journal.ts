import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { CommandError } from '../command.ts';
import type { Ids } from './mapping.ts';

/** What the journal knows of a memory that is moved; it holds ids and digests, and never a text. */
export interface Move {
  readonly tenant: string;
  /** The ids under which it is added. */
  readonly ids: Ids;
  /** Of ids, text, metadata and expiry: two rows with the same one are the same but for their ids. */
  readonly digest: string;
  /** Of the text alone. */
  readonly text: string;
  /** The memory that was added for it. */
  readonly added?: string;
  /** The old one is gone. */
  readonly done?: true;
}

type Line =
  | { readonly adopts: string; readonly move: Move }
  | { readonly added: string; readonly as: string }
  | { readonly done: string };

/**
 * What was meant and what was done, a line each, on the disk before the next step: whoever starts again knows of every
 * memory how far it came.
 */
export class Journal {
  readonly #file: number;
  readonly #lock: string;
  readonly #moves = new Map<string, Move>();

  /** @throws CommandError when another run has it open, or it is none. */
  constructor(path: string, origin: string) {
    this.#lock = `${path}.lock`;
    lock(this.#lock);
    try {
      const begun = existsSync(path);
      const text = begun ? readFileSync(path, 'utf8') : '';
      // A line that was cut off in the writing was not acted upon.
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
      this.#file = openSync(path, 'a', 0o600);
      const [head, ...lines] = whole.split('\n').filter(Boolean);
      if (head === undefined) this.#write({ journal: 1, origin });
      else this.#read(head, lines, origin, path);
    } catch (error) {
      rmSync(this.#lock, { force: true });
      throw error;
    }
  }

  #read(head: string, lines: readonly string[], origin: string, path: string): void {
    try {
      const { journal, origin: of } = JSON.parse(head) as { journal?: unknown; origin?: unknown };
      if (journal !== 1) throw new CommandError(`${path} is no journal of this command.`);
      if (of !== origin) throw new CommandError(`${path} is the journal of another Mem0.`);
      for (const line of lines) this.#take(JSON.parse(line) as Line);
    } catch (error) {
      throw error instanceof CommandError ? error : new CommandError(`${path} cannot be read.`);
    }
  }

  #take(line: Line): void {
    if ('adopts' in line) this.#moves.set(line.adopts, line.move);
    else if ('added' in line)
      this.#moves.set(line.added, { ...this.#moves.get(line.added)!, added: line.as });
    else this.#moves.set(line.done, { ...this.#moves.get(line.done)!, done: true });
  }

  #write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#file);
  }

  get moves(): ReadonlyMap<string, Move> {
    return this.#moves;
  }

  record(line: Line): void {
    this.#write(line);
    this.#take(line);
  }

  close(): void {
    closeSync(this.#file);
    rmSync(this.#lock, { force: true });
  }
}

/** @throws CommandError when a process that is alive holds it; one that was killed left it behind. */
function lock(path: string): void {
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      return;
    } catch {
      const holder = Number(readFileSync(path, 'utf8'));
      if (tries > 0 || isAlive(holder))
        throw new CommandError(`Another run (process ${holder}) holds ${path}.`);
      rmSync(path, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
