import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CommandError } from '../command.ts';
import { lock } from './lock.ts';
import type { Ids } from './mapping.ts';

/** What was meant to be added; it holds ids and digests, and never a text. */
export interface Intent {
  readonly tenant: string;
  /** The ids under which it is added. */
  readonly ids: Ids;
  /** Of ids, text, metadata and expiry: two rows with the same one are the same but for their own ids. */
  readonly digest: string;
  /** Of the text alone. */
  readonly text: string;
  /** Memories that were the same before: none of them is what was added. */
  readonly twins: readonly string[];
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** What the journal knows of a memory that is moved. */
export interface Move extends Intent {
  /** The memory that was added for it. */
  readonly added?: string;
  /** The old one is being removed: if it is gone, it was this command. */
  readonly removing?: true;
  /** The old one is gone. */
  readonly done?: true;
}

/** A line is a step that is about to be taken (`adopts`, `removing`) or was taken. */
export type Line =
  | { readonly adopts: string; readonly move: Intent }
  | { readonly added: string; readonly as: string }
  | { readonly removing: string }
  | { readonly done: string }
  /** The copy was taken back, or there never was one. */
  | { readonly undone: string }
  /** No copy was found, but its addition may still be under way. */
  | { readonly doubted: string }
  /** Such additions were looked for at the end, and are settled. */
  | { readonly swept: true };

/** What a journal's lines come to. */
export class Moves {
  readonly #moves = new Map<string, Move>();
  readonly #doubts = new Map<string, Intent[]>();
  readonly #added = new Set<string>();

  get all(): ReadonlyMap<string, Move> {
    return this.#moves;
  }

  /** Additions of unknown outcome that were given up, by the memory that they were to move. */
  get doubts(): ReadonlyMap<string, readonly Intent[]> {
    return this.#doubts;
  }

  /** The memories that were added and stand. */
  get added(): ReadonlySet<string> {
    return this.#added;
  }

  /** @throws Error on a line that cannot follow those before it. */
  take(line: Line): void {
    if ('swept' in line) this.#doubts.clear();
    else if ('adopts' in line) this.#moves.set(line.adopts, line.move);
    else if ('added' in line) {
      this.#moves.set(line.added, { ...this.#of(line.added), added: line.as });
      this.#added.add(line.as);
    } else if ('removing' in line)
      this.#moves.set(line.removing, { ...this.#of(line.removing), removing: true });
    else if ('done' in line) this.#moves.set(line.done, { ...this.#of(line.done), done: true });
    else if ('doubted' in line) {
      this.#doubts.set(line.doubted, [...(this.#doubts.get(line.doubted) ?? []), this.#of(line.doubted)]);
      this.#moves.delete(line.doubted);
    } else {
      const { added } = this.#of(line.undone);
      if (added !== undefined) this.#added.delete(added);
      this.#moves.delete(line.undone);
    }
  }

  #of(old: string): Move {
    const move = this.#moves.get(old);
    if (move === undefined) throw new Error('a step without its beginning');
    return move;
  }
}

/**
 * What was meant and what was done, a line each, on the disk before the next step: whoever starts again knows of every
 * memory how far it came.
 */
export class Journal {
  readonly #file: number;
  readonly #unlock: () => void;
  readonly moves = new Moves();

  /** @throws CommandError when another run has it open, or it is none. */
  constructor(path: string, origin: string) {
    this.#unlock = lock(`${path}.lock`);
    try {
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      // A line that was cut off in the writing was not acted upon.
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      const [head, ...lines] = whole.split('\n').filter(Boolean);
      if (head !== undefined) this.#read(head, lines, origin, path);
      else if (text !== '' && !HEAD.startsWith(text.slice(0, HEAD.length))) {
        throw new CommandError(`${path} is no journal of this command.`);
      }
      if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
      this.#file = openSync(path, 'a', 0o600);
      fchmodSync(this.#file, 0o600);
      if (head === undefined) this.#begin(path, origin);
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  #begin(path: string, origin: string): void {
    this.#write({ journal: 2, origin });
    if (process.platform === 'win32') return;
    // Its name is on the disk when its folder is.
    const folder = openSync(dirname(path), 'r');
    fsyncSync(folder);
    closeSync(folder);
  }

  #read(head: string, lines: readonly string[], origin: string, path: string): void {
    try {
      const { journal, origin: of } = JSON.parse(head) as { journal?: unknown; origin?: unknown };
      if (journal !== 2) throw new CommandError(`${path} is no journal of this command.`);
      if (of !== origin) throw new CommandError(`${path} is the journal of another Mem0.`);
      for (const line of lines) this.moves.take(JSON.parse(line) as Line);
    } catch (error) {
      throw error instanceof CommandError ? error : new CommandError(`${path} cannot be read.`);
    }
  }

  #write(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    fsyncSync(this.#file);
  }

  record(line: Line): void {
    this.#write(line);
    this.moves.take(line);
  }

  close(): void {
    closeSync(this.#file);
    this.#unlock();
  }
}

const HEAD = '{"journal":';
