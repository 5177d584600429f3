import { isBase64 } from '../../../core/base64.ts';
import { parseLogName, STRANGERS, TENANT_ID } from '../../../core/names.ts';
import { type Section, Unreadable } from './sections.ts';

/**
 * A bundle: a tenant's logs as lines of text, which tools that know nothing of this project can read. A section is a
 * line of words, of which the last is how many lines follow it. docs/verify.md says what the sections hold.
 */
export const FORMAT = 'mem0-governance-bundle/1';

/** Records in one section. */
export const LEAVES_A_SECTION = 1000;

const encode = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** The lines of a section, each with its newline. What a source found to be wrong is not part of a bundle. */
export function sectionLines(section: Section, log: string): string {
  switch (section.kind) {
    case 'tenant':
      return lines(`${FORMAT} ${section.tenant}`, []);
    case 'keys':
      return lines('keys', section.keys);
    case 'log':
      return lines(`log ${section.log} ${section.start} ${section.end}`, section.frontier.map(encode));
    case 'leaves':
      return lines(`leaves ${log} ${section.first}`, section.leaves.map(encode));
    case 'quarantined':
      return lines(`quarantined ${log} ${section.index} ${section.sqlstate}`, []);
    case 'checkpoint':
      return lines(`checkpoint ${log} ${section.size}`, section.note.slice(0, -1).split('\n'));
    case 'consistency':
      return lines(`consistency ${log} ${section.from} ${section.to}`, section.proof.map(encode));
    case 'frontier':
      return lines(`frontier ${log} ${section.size}`, section.hashes.map(encode));
    case 'fault':
      return '';
    case 'end':
      return lines(`end ${section.logs}`, []);
  }
}

function lines(words: string, rest: readonly string[]): string {
  return `${[`${words} ${rest.length}`, ...rest].join('\n')}\n`;
}

/** No section but records has more lines: a note has at most 100 signatures, a proof at most 64 hashes. */
const MAX_LINES = 1000;

/** A line longer than this is in no bundle: a record has at most some 100 KB. */
const MAX_LINE_BYTES = 4 * 2 ** 20;

/**
 * Reads the sections of a bundle from its chunks, however they are cut. Holds a chunk and a section at a time.
 * @throws Unreadable where the lines make no section, and at an end that comes too early.
 */
export async function* readBundle(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Section[], void> {
  const reader = new BundleReader();
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    rest = bytes.subarray(end);
    if (rest.length > MAX_LINE_BYTES) throw new Unreadable('a line is too long for a bundle');
    if (end > 0) yield reader.read(bytes.toString('utf8', 0, end - 1).split('\n'));
  }
  if (rest.length > 0 || !reader.whole) throw new Unreadable('the file ends too early');
}

class BundleReader {
  #line = 0;
  #log = '';
  #words: readonly string[] = [];
  /** Lines that the section still wants, and those that it has. */
  #wants = 0;
  #has: string[] = [];
  /** The index of the next record, while a section of leaves is read. */
  #next = 0;
  #began = false;
  #logs = 0;
  whole = false;

  read(lines: readonly string[]): Section[] {
    const sections: Section[] = [];
    for (let at = 0; at < lines.length; ) {
      if (this.#wants === 0) {
        this.#line++;
        this.#words = lines[at++]!.split(' ');
        this.#wants = this.#count(this.#words.at(-1)!);
        if (this.#words[0] === 'leaves') this.#next = this.#number(2);
        else if (this.#wants > MAX_LINES) this.#fail('too many lines for a section of this kind');
      }
      const taken = lines.slice(at, at + this.#wants);
      at += taken.length;
      this.#line += taken.length;
      this.#wants -= taken.length;
      // Records are handed on as they come; every other section is small.
      if (this.#words[0] === 'leaves') {
        this.#belongs(4);
        sections.push(...this.#leaves(taken));
      } else {
        this.#has.push(...taken);
        if (this.#wants > 0) break;
        sections.push(this.#section(this.#has));
        this.#has = [];
      }
    }
    return sections;
  }

  /** @throws Unreadable always. */
  #fail(why: string): never {
    throw new Unreadable(`line ${this.#line}: ${why}`);
  }

  #count(word: string): number {
    if (!/^(0|[1-9]\d{0,15})$/.test(word) || !Number.isSafeInteger(Number(word))) {
      this.#fail('not a number');
    }
    return Number(word);
  }

  #number(at: number): number {
    return this.#count(this.#words[at] ?? '');
  }

  #belongs(words: number): void {
    if (this.#words.length !== words || this.#words[1] !== this.#log || this.#log === '') {
      this.#fail('not a section of this log');
    }
  }

  /** A line that is not the one way to write some bytes is a fault of that record, and not of the file. */
  #leaves(taken: readonly string[]): Section[] {
    const sections: Section[] = [];
    let first = this.#next;
    let leaves: Uint8Array[] = [];
    const flush = () => {
      if (leaves.length > 0) sections.push({ kind: 'leaves', first, leaves });
      leaves = [];
      first = this.#next;
    };
    const slab = Buffer.allocUnsafeSlow(taken.reduce((sum, { length }) => sum + length, 0));
    let used = 0;
    for (const line of taken) {
      const size = slab.write(line, used, 'base64');
      const bytes = slab.subarray(used, used + size);
      used += size;
      if (slab.toString('base64', used - size, used) !== line) {
        flush();
        sections.push({ kind: 'fault', index: this.#next, what: 'the record’s line is no base64' });
      }
      leaves.push(bytes);
      this.#next++;
    }
    flush();
    return sections;
  }

  #hashes(texts: readonly string[]): Uint8Array[] {
    return texts.map((text) => {
      if (!isBase64(text)) this.#fail('not base64');
      return new Uint8Array(Buffer.from(text, 'base64'));
    });
  }

  #section(has: readonly string[]): Section {
    const [kind, name = ''] = this.#words;
    if (this.whole || this.#began !== (kind !== FORMAT)) this.#fail('not the line that belongs here');
    switch (kind) {
      case FORMAT:
        if (this.#words.length !== 3 || (!TENANT_ID.test(name) && name !== STRANGERS)) break;
        this.#began = true;
        return { kind: 'tenant', tenant: name };
      case 'keys':
        return { kind, keys: [...has] };
      case 'log':
        if (this.#words.length !== 5 || parseLogName(name) === undefined) break;
        this.#log = name;
        this.#logs++;
        return {
          ...{ kind, log: name, start: this.#number(2), end: this.#number(3), frontier: this.#hashes(has) },
        };
      case 'quarantined':
        this.#belongs(5);
        return { kind, index: this.#number(2), sqlstate: this.#words[3]! };
      case 'checkpoint':
        this.#belongs(4);
        return { kind, size: this.#number(2), note: `${has.join('\n')}\n` };
      case 'consistency':
        this.#belongs(5);
        return { kind, from: this.#number(2), to: this.#number(3), proof: this.#hashes(has) };
      case 'frontier':
        this.#belongs(4);
        return { kind, size: this.#number(2), hashes: this.#hashes(has) };
      case 'end':
        if (this.#words.length !== 3 || this.#number(1) !== this.#logs) break;
        this.whole = true;
        return { kind, logs: this.#logs };
    }
    return this.#fail('not a section of a bundle');
  }
}
