import { parseLogName } from '../../../core/names.ts';
import type { VerifierKey } from '../../../core/note.ts';
import { CommandError } from '../command.ts';
import { chain, joints } from './chain.ts';
import type { Gateway } from './gateway.ts';
import { headDoubts, limitsOf } from './held.ts';
import { locate } from './locate.ts';
import { Requests, type Unpaired } from './requests.ts';
import { type Fault, type Head, type Section, Unreadable } from './sections.ts';
import { type Segment, SegmentCheck } from './segment.ts';

export { HEAD_NOT_CHECKED } from './held.ts';

export interface VerifyOptions {
  /** What to read, part by part: the database, a bundle, archives. */
  readonly sources: readonly Source[];
  /** Keys from elsewhere than the sources. */
  readonly keys: readonly VerifierKey[];
  readonly heads: readonly Head[];
  readonly gateway?: Gateway | undefined;
  readonly progress?: (records: number, log: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Source {
  readonly name: string;
  /** A head of more records than are here means that some are missing; else the source is just older. */
  readonly current: boolean;
  sections(): AsyncGenerator<readonly Section[], void>;
}

export interface LogReport {
  readonly log: string;
  readonly start: number;
  readonly end: number;
  readonly records: number;
  readonly quarantined: number;
  readonly checkpoints: number;
  /** Records that a checkpoint covers which a given key signed. */
  readonly covered: number;
  /** How far the log was held against something from outside, and what that was. */
  readonly head: { readonly size: number; readonly by: string } | null;
}

export interface Report {
  readonly verdict: 'good' | 'tampering' | 'unchecked';
  readonly tenant: string | null;
  readonly records: number;
  readonly logs: readonly LogReport[];
  /** The first of the faults, by log and then by when it was met. */
  readonly first: Fault | null;
  readonly faults: readonly Fault[];
  /** What could not be checked, and what would have to be given. */
  readonly unchecked: readonly Doubt[];
  /** What even a good verdict does not say. */
  readonly limits: readonly string[];
  /** Intents that nothing closes, and closings that close nothing. */
  readonly intents: readonly Unpaired[];
  readonly closings: readonly Unpaired[];
}

/** What could not be checked: a log's head, a part that is not here, a signature, or what could not be read. */
export interface Doubt {
  readonly kind: 'head' | 'part' | 'signature' | 'source';
  readonly what: string;
}

/**
 * Verifies everything that the sources hold of one tenant, each part by itself and then how they join.
 * @throws what a source throws but Unreadable, and when the signal stops it.
 */
export async function verify(options: VerifyOptions): Promise<Report> {
  const { sources, heads, gateway } = options;
  const current = sources.some((source) => source.current);
  const reading = new Reading(options);
  for (const source of sources) await reading.read(source);
  const { segments, unchecked } = reading;
  const logs = Map.groupBy(segments.sort(byPlace), ({ log }) => log);
  const faults: Fault[] = [];
  const reports: LogReport[] = [];
  for (const [log, parts] of logs) {
    const joined = joints(parts);
    faults.push(...parts.flatMap((part) => part.faults), ...joined.faults);
    unchecked.push(...joined.doubts);
    const report = reportOf(log, parts);
    if (report.start > 0) {
      const what = `${log} below ${report.start} is not here: give its archives with --bundle`;
      unchecked.push({ kind: 'part', what });
    }
    const beyond = parts.at(-1)!.beyond;
    const { found, why } = await meetBeyond(parts.at(-1)!, beyond, current, gateway);
    faults.push(...found);
    unchecked.push(...why);
    const last = beyond.at(-1);
    const held = found.length === 0 && why.length === 0 && last !== undefined;
    reports.push(held ? { ...report, head: { size: parts.at(-1)!.end, by: last.by } } : report);
  }
  for (const { log, by, size } of heads) {
    if (logs.has(log) || size === 0) continue;
    faults.push({
      log,
      index: 0,
      last: size - 1,
      what: `the log is missing: ${by} speaks of ${size} records`,
    });
  }
  const chained = chain(reports, logs, faults);
  const strangers = new Set(segments.flatMap((segment) => [...segment.strangers]));
  if (strangers.size > 0) {
    const what = `signatures not checked: no verifier key was given for ${[...strangers].join(', ')}`;
    unchecked.push({ kind: 'signature', what });
  }
  unchecked.push(...headDoubts(chained, options, current));
  faults.sort((a, b) => byName(a.log, b.log));
  if (faults[0]) faults[0] = await narrowed(faults[0], options);
  return {
    verdict: faults.length > 0 ? 'tampering' : unchecked.length > 0 ? 'unchecked' : 'good',
    tenant: reading.tenant ?? null,
    records: segments.reduce((sum, { records }) => sum + records, 0),
    logs: chained,
    ...{ first: faults[0] ?? null, faults, unchecked, limits: limitsOf(chained, options) },
    ...{ intents: reading.requests.intents, closings: reading.requests.closings },
  };
}

/** Where one of several records is bad, the gateway can say which. The fault stays as it was where that cannot be asked. */
async function narrowed(fault: Fault, options: VerifyOptions): Promise<Fault> {
  const { sources, heads, gateway, signal } = options;
  const head = heads.findLast(({ log }) => log === fault.log);
  if (gateway === undefined || head === undefined) return fault;
  for (const { sections } of sources) {
    try {
      const found = await locate(fault, sections(), gateway, head);
      if (found !== fault) return found;
    } catch {
      // Whatever ends the second reading, the first one has found what it found.
      signal?.throwIfAborted();
    }
  }
  return fault;
}

class Reading {
  readonly requests = new Requests();
  readonly segments: Segment[] = [];
  readonly unchecked: Doubt[] = [];
  tenant: string | undefined;
  readonly #options: VerifyOptions;
  #records = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  async read({ name, sections }: Source): Promise<void> {
    const { keys, heads, signal, progress } = this.#options;
    let check: SegmentCheck | undefined;
    const finish = () => {
      if (check) this.segments.push(check.end());
      check = undefined;
    };
    try {
      for await (const batch of sections()) {
        signal?.throwIfAborted();
        for (const section of batch) {
          if (section.kind === 'tenant') this.#isOf(section.tenant);
          else if (section.kind === 'log') {
            finish();
            if (parseLogName(section.log)?.tenant !== this.tenant) {
              throw new Unreadable(`${section.log} is not a log of this tenant`);
            }
            check = new SegmentCheck(section, keys, heads, this.requests);
          } else if (section.kind === 'end') finish();
          else if (section.kind !== 'keys') {
            check?.take(section);
            if (section.kind === 'leaves') this.#records += section.leaves.length;
          }
          if (check) progress?.(this.#records, check.log);
        }
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      // What was read of the log is checked; that it ends here is nobody's tampering.
      if (check) this.segments.push(check.stop());
      this.unchecked.push({ kind: 'source', what: `${name} cannot be read: ${error.message}` });
    }
  }

  #isOf(tenant: string): void {
    if (this.tenant !== undefined && this.tenant !== tenant) {
      throw new Unreadable(`it is of ${tenant}, and what came before of ${this.tenant}`);
    }
    this.tenant = tenant;
  }
}

function byName(a: string, b: string): number {
  const [one, two] = [parseLogName(a), parseLogName(b)];
  if (!one || !two) return a < b ? -1 : Number(a > b);
  return one.shard - two.shard || one.epoch - two.epoch;
}

function byPlace(a: Segment, b: Segment): number {
  return byName(a.log, b.log) || a.start - b.start;
}

function reportOf(log: string, parts: readonly Segment[]): LogReport {
  const sum = (of: (part: Segment) => number) => parts.reduce((total, part) => total + of(part), 0);
  const head = parts.findLast((part) => part.head !== undefined)?.head;
  return {
    ...{ log, start: parts[0]!.start, end: parts.at(-1)!.end },
    ...{ records: sum((part) => part.records), quarantined: sum((part) => part.quarantined) },
    checkpoints: sum((part) => part.checkpoints),
    covered: Math.max(...parts.map(({ covered }) => covered)),
    head: head ? { size: head.size, by: head.by } : null,
  };
}

/** Heads of more records than were read: missing from a database, and the future of a file. */
async function meetBeyond(
  { log, end, tree }: Segment,
  beyond: readonly Head[],
  current: boolean,
  gateway: Gateway | undefined,
): Promise<{ found: Fault[]; why: Doubt[] }> {
  const found: Fault[] = [];
  const why: Doubt[] = [];
  for (const head of beyond) {
    if (current) {
      const what = `records are missing: ${head.by} speaks of ${head.size}`;
      found.push({ log, index: end, last: head.size - 1, what });
    } else if (gateway === undefined) {
      const what = `${log} ends before ${head.by}, and only --gateway can say whether it leads there`;
      why.push({ kind: 'head', what });
    } else if (tree !== undefined) {
      // What else was found is not lost with an answer that does not come.
      const leads = await gateway.goesOn(tree, head).catch((error: unknown) => {
        if (!(error instanceof CommandError)) throw error;
        why.push({ kind: 'head', what: `${log} ends before ${head.by}: ${error.message}` });
        return true;
      });
      const what = `the records do not lead to what ${head.by} signed`;
      if (!leads) found.push({ log, index: 0, last: end - 1, what });
    }
  }
  return { found, why };
}
