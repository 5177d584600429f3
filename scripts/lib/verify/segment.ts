import { Frontier, hashLeaf, sameHash, type TreeHead, verifyConsistency } from '../../../core/merkle.ts';
import type { VerifierKey } from '../../../core/note.ts';
import type { AuditRecord } from '../../../core/record.ts';
import { readCheckpoint, type SignedHead } from './notes.ts';
import { RecordReader } from './records.ts';
import type { Requests } from './requests.ts';
import type { CheckpointSection, Fault, Head, LogSection, Section } from './sections.ts';

/** A log, or a part of one, after its last record was read. */
export interface Segment {
  readonly log: string;
  readonly start: number;
  readonly startFrontier: readonly Uint8Array[];
  readonly end: number;
  readonly records: number;
  readonly quarantined: number;
  readonly checkpoints: number;
  /** The size that the last good checkpoint speaks of; 0: there is none. */
  readonly covered: number;
  /** The largest head from outside that was found to be this log's. */
  readonly head: Head | undefined;
  /** Heads from outside of more records than are here. */
  readonly beyond: readonly Head[];
  /** The tree over all that was read; `undefined` when records are missing or doubled. */
  readonly tree: Frontier | undefined;
  /** The first record of an epoch after the first names the epoch that was closed. */
  readonly closed: { readonly log: string; readonly size: number; readonly root: string } | undefined;
  readonly faults: readonly Fault[];
  /** Keys under checkpoints that nobody gave, `<name>+<hash>`. */
  readonly strangers: ReadonlySet<string>;
}

/** No more faults of one log are kept than this; the first is what counts. */
const MAX_FAULTS = 20;

/** Checks one log, section by section. Holds the tree's edge and nothing that grows with the log. */
export class SegmentCheck {
  readonly #log: string;
  readonly #section: LogSection;
  readonly #keys: readonly VerifierKey[];
  readonly #requests: Requests;
  readonly #reader: RecordReader;
  readonly #faults: Fault[] = [];
  readonly #strangers = new Set<string>();
  readonly #heads: Head[];
  readonly #tree: Frontier;
  /** Whether the tree's edge is that of the records at 0, 1, … */
  #whole = true;
  /** The last size whose root was found to be signed, or stated from outside. */
  #good: number;
  /** The last size whose root was found to be stated from outside. */
  #anchored: number;
  #next: number;
  #time = 0;
  #records = 0;
  #quarantined = 0;
  #checkpoints = 0;
  #covered = 0;
  #head: Head | undefined;
  #closed: Segment['closed'];
  #last: TreeHead | undefined;
  /** The checkpoint up to which the proofs lead. */
  #proven: TreeHead | undefined;
  /** The size of the last checkpoint that is bad itself: of a proof from or to it nothing can be said. */
  #unusable: number | undefined;
  /** A checkpoint beyond the end of this part, until the proof to it was read. */
  #ahead: SignedHead | undefined;

  constructor(section: LogSection, keys: readonly VerifierKey[], heads: readonly Head[], requests: Requests) {
    const { log, start, frontier } = section;
    this.#log = log;
    this.#section = section;
    this.#keys = keys;
    this.#requests = requests;
    this.#reader = new RecordReader(log);
    this.#next = start;
    this.#good = start;
    this.#anchored = start;
    this.#heads = heads.filter((head) => head.log === log).sort((a, b) => a.size - b.size);
    try {
      this.#tree = new Frontier(start, frontier);
    } catch {
      this.#tree = new Frontier();
      this.#whole = false;
      this.#fault('the edge of the tree before its first record is malformed');
    }
  }

  take(section: Section): void {
    switch (section.kind) {
      case 'leaves':
        section.leaves.forEach((bytes, i) => {
          this.#leaf(section.first + i, bytes);
        });
        return;
      case 'checkpoint':
        this.#checkpoint(section);
        return;
      case 'consistency':
        this.#consistency(section);
        return;
      case 'frontier':
        this.#edge(section);
        return;
      case 'quarantined':
        this.#quarantined++;
        if (section.index !== this.#next - 1)
          this.#fault('a quarantined record is not in its place', section);
        return;
      case 'fault':
        this.#fault(section.what, section);
        return;
    }
  }

  get log(): string {
    return this.#log;
  }

  end(): Segment {
    const { end } = this.#section;
    if (this.#next < end) this.#gap(end, `its head says that it has ${end}`);
    else if (this.#next > end) this.#fault(`it has a record beyond its head of ${end}`, { index: end });
    if (this.#ahead !== undefined) this.#gap(this.#ahead.size, `a checkpoint speaks of ${this.#ahead.size}`);
    return this.stop();
  }

  /** What is known when nothing more can be read, however the log goes on. */
  stop(): Segment {
    const { start, frontier } = this.#section;
    this.#meetHeads();
    return {
      ...{ log: this.#log, start, end: this.#next, startFrontier: frontier },
      ...{ records: this.#records, quarantined: this.#quarantined, checkpoints: this.#checkpoints },
      ...{ covered: this.#covered, head: this.#head, beyond: this.#heads, closed: this.#closed },
      tree: this.#whole ? this.#tree : undefined,
      ...{ faults: this.#faults, strangers: this.#strangers },
    };
  }

  #fault(what: string, { index, last }: { readonly index?: number; readonly last?: number } = {}): void {
    if (this.#faults.length === MAX_FAULTS) return;
    const at = index === undefined ? {} : { index, ...(last === undefined || last <= index ? {} : { last }) };
    this.#faults.push({ log: this.#log, ...at, what });
  }

  /** Records from the next one up to `end` are not there. */
  #gap(end: number, why = 'records behind it are there'): void {
    const missing = end - this.#next;
    this.#fault(missing === 1 ? `the record is missing: ${why}` : `records are missing: ${why}`, {
      ...{ index: this.#next, last: end - 1 },
    });
    this.#whole = false;
    this.#next = end;
  }

  #leaf(index: number, bytes: Uint8Array): void {
    this.#records++;
    this.#meetHeads();
    if (index < this.#next) {
      this.#fault('a second record is at this index', { index });
      this.#whole = false;
      return;
    }
    if (index > this.#next) this.#gap(index);
    this.#next = index + 1;
    if (this.#whole) this.#tree.append(hashLeaf(bytes));
    const read = this.#reader.read(bytes, index);
    if (!read.ok) {
      this.#fault(`the record ${read.what}`, { index });
      return;
    }
    // Which of the two is wrong the times do not tell.
    if (read.time < this.#time) this.#fault('the time falls', { index: index - 1, last: index });
    this.#time = read.time;
    if (read.half) this.#requests.see(read.half, { log: this.#log, index });
    if (index === 0 && !this.#log.endsWith('~1')) this.#begins(read.event);
  }

  /** An epoch after the first begins with the event that closed the one before. */
  #begins(event: AuditRecord | undefined): void {
    const fork = Array.isArray(event?.reasons) && event.reasons.includes('log_fork');
    const { log, size, root } = fork ? (event.detail ?? {}) : {};
    if (typeof log === 'string' && typeof size === 'number' && typeof root === 'string') {
      this.#closed = { log, size, root };
      return;
    }
    this.#fault('the epoch does not begin by naming the one before', { index: 0 });
  }

  #checkpoint(section: CheckpointSection): void {
    this.#checkpoints++;
    const { size } = section;
    const read = readCheckpoint(section, this.#log, this.#keys, this.#last?.size ?? 0);
    if (!read.ok) {
      this.#fault(`the checkpoint of ${size} ${read.what}`);
      this.#unusable = size;
      return;
    }
    const { head } = read;
    this.#last = head;
    if (head.stranger !== undefined) this.#strangers.add(head.stranger);
    // A part of a log has a checkpoint beyond its end, and the proof that leads there follows.
    if (size > this.#section.end && this.#next === this.#section.end) this.#ahead = head;
    else if (this.#meets(size, head.root, `the checkpoint of ${size}`, this.#good)) this.#cover(head, size);
  }

  #cover({ size, root, signed, witness }: SignedHead, records: number): void {
    if (signed) this.#covered = records;
    if (witness === undefined) return;
    this.#anchored = records;
    this.#head = { log: this.#log, size, root, by: witness };
  }

  /** Heads from outside that speak of exactly the records read so far. */
  #meetHeads(): void {
    for (let head = this.#heads[0]; head !== undefined && head.size <= this.#next; head = this.#heads[0]) {
      this.#heads.shift();
      // Of a size below what is here, another part of the log can say.
      if (head.size < this.#section.start || head.size < this.#next) continue;
      if (!this.#meets(head.size, head.root, head.by, this.#anchored)) continue;
      this.#anchored = head.size;
      this.#head = head;
    }
  }

  /** Whether the first `size` records have a root that somebody stated; the first `from` did. */
  #meets(size: number, root: Uint8Array, who: string, from: number): boolean {
    if (this.#next < size) this.#gap(size, `${who} speaks of ${size}`);
    if (!this.#whole || this.#next !== size) return false;
    if (sameHash(this.#tree.root, root)) {
      this.#good = size;
      return true;
    }
    this.#fault(`the records are not those that ${who} speaks of`, { index: from, last: size - 1 });
    // What follows is built on these, and would be told of once more with every checkpoint.
    this.#whole = false;
    return false;
  }

  /**
   * The proof from the checkpoint before, or from the beginning of this part. Of records that are here it is there for
   * tools that do not compute roots; whoever relies on it shall not be misled.
   */
  #consistency({ from, to, proof }: Extract<Section, { kind: 'consistency' }>): void {
    const [old, now, ahead] = [this.#proven ?? this.#beginning(), this.#last, this.#ahead];
    this.#proven = now;
    this.#ahead = undefined;
    if (from === this.#unusable || to === this.#unusable) return;
    if (ahead?.size === to && this.#whole) {
      this.#leadsTo(ahead, from, proof);
    } else if (now?.size !== to || old?.size !== from || !verifyConsistency(old, now, proof)) {
      this.#fault(`the proof from ${from} to ${to} does not hold`);
    }
  }

  /** The records up to the end of this part are the beginning of what a checkpoint beyond it covers. */
  #leadsTo(ahead: SignedHead, from: number, proof: readonly Uint8Array[]): void {
    if (from === this.#next && verifyConsistency(this.#tree, ahead, proof)) {
      this.#good = this.#next;
      this.#cover(ahead, this.#next);
      return;
    }
    const why = `the records do not lead to the checkpoint of ${ahead.size}`;
    this.#fault(why, { index: this.#good, last: this.#next - 1 });
  }

  #beginning(): TreeHead | undefined {
    const { start, frontier } = this.#section;
    try {
      return new Frontier(start, frontier);
    } catch {
      return undefined;
    }
  }

  #edge({ size, hashes }: Extract<Section, { kind: 'frontier' }>): void {
    if (!this.#whole) return;
    const own = this.#tree.hashes;
    const same = size === this.#next && own.length === hashes.length;
    if (!same || !own.every((hash, i) => sameHash(hash, hashes[i]!))) {
      this.#fault(`the edge of the tree of ${size} is another than that of its records`);
    }
  }
}
