import type { Json } from '../../../core/canonical.ts';
import { parseLogName } from '../../../core/names.ts';
import type { AuditRecord } from '../../../core/record.ts';
import type { Half } from './requests.ts';
import { MAX_DEPTH, Scanner } from './scan.ts';

/** A record that is in its place, or what is wrong with it. */
export type ReadRecord =
  | {
      readonly ok: true;
      readonly time: number;
      /** Absent where the record says nothing about another one. */
      readonly half?: Half;
      /** Of an event. */
      readonly event?: AuditRecord;
    }
  | { readonly ok: false; readonly what: string };

const wrong = (what: string): ReadRecord => ({ ok: false, what });

const ascii = (text: string) => new Uint8Array(Buffer.from(text));
const INDEX = ascii('index');
const INTENT = ascii('intent');
const LOG = ascii('log');
const PHASE = ascii('phase');
const REASONS = ascii('reasons');
const REQUEST_ID = ascii('request_id');
const TENANT = ascii('tenant');
const TIME = ascii('time');
const VERSION = ascii('v');
const ONE = ascii('1');
/** The phases of records that are about requests, as they are written. */
const REQUESTS: ReadonlySet<unknown> = new Set(['"intent"', '"outcome"', '"correction"']);

/** Reads the records of one log. */
export class RecordReader {
  readonly #log: string;
  readonly #tenant: string | undefined;
  readonly #logBytes: Uint8Array;
  readonly #tenantBytes: Uint8Array;
  readonly #scanner = new Scanner();

  constructor(log: string) {
    this.#log = log;
    this.#tenant = parseLogName(log)?.tenant;
    this.#logBytes = ascii(JSON.stringify(log));
    this.#tenantBytes = ascii(JSON.stringify(this.#tenant ?? ''));
  }

  /** The record at an index. */
  read(bytes: Uint8Array, index: number): ReadRecord {
    const scanner = this.#scanner;
    const simple = scanner.scan(bytes);
    const time = scanner.number(TIME);
    const here =
      simple &&
      scanner.is(LOG, this.#logBytes) &&
      scanner.number(INDEX) === index &&
      scanner.is(TENANT, this.#tenantBytes) &&
      scanner.is(VERSION, ONE) &&
      time >= 0;
    const [phase, id] = here ? [scanner.text(PHASE), scanner.text(REQUEST_ID)] : [];
    if (!REQUESTS.has(phase) || id?.[0] !== '"') return this.#readWhole(bytes, index, simple);
    if (phase === '"outcome"' && !scanner.has(INTENT)) return { ok: true, time };
    const unknown = scanner.text(REASONS)?.includes('"orphaned"') === true;
    return {
      ok: true,
      time,
      half: { phase: phase!.slice(1, -1) as Half['phase'], id: id.slice(1, -1), unknown },
    };
  }

  /**
   * Reads what the scanner left. A text is canonical when it is what its own value makes again, and every object's
   * members are in order.
   */
  #readWhole(bytes: Uint8Array, index: number, canonical: boolean): ReadRecord {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    let record: AuditRecord;
    try {
      record = JSON.parse(text) as AuditRecord;
    } catch {
      return wrong('is no JSON');
    }
    const json = record as unknown as Json;
    if (!canonical && !nestsWithin(json, MAX_DEPTH)) return wrong('is nested deeper than the gateway writes');
    if (!canonical && !(JSON.stringify(json) === text && inOrder(json) && isUtf8(text, bytes))) {
      return wrong('is no canonical JSON');
    }
    if (typeof record !== 'object' || record === null) return wrong('is no record');
    const { v, log, tenant, phase, request_id: id, time } = record;
    if (log !== this.#log || record.index !== index) return wrong('says that it is elsewhere');
    if (tenant !== this.#tenant) return wrong('is another tenant’s');
    if (v !== 1 || !PHASES.has(phase) || typeof id !== 'string') return wrong('is no record of a known form');
    if (!Number.isSafeInteger(time) || time < 0) return wrong('has no time');
    if (phase === 'event') return { ok: true, time, event: record };
    if (phase === 'outcome' && record.intent === undefined) return { ok: true, time };
    const unknown = Array.isArray(record.reasons) && record.reasons.includes('orphaned');
    return { ok: true, time, half: { phase, id, unknown } };
  }
}

const PHASES: ReadonlySet<unknown> = new Set(['intent', 'outcome', 'correction', 'event']);

/** Looks no deeper than `depth`, so that it can be asked of anything. */
function nestsWithin(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => nestsWithin(inner, depth - 1));
}

/** Whether each object's members come in the order of their UTF-16 code units. */
function inOrder(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(inOrder);
  const names = Object.keys(value);
  const members = value as { readonly [name: string]: Json };
  return names.every((name, i) => (i === 0 || names[i - 1]! < name) && inOrder(members[name]!));
}

/** Bytes that are no UTF-8 read as U+FFFD, which a record may also hold. */
function isUtf8(text: string, bytes: Uint8Array): boolean {
  return !text.includes('\ufffd') || Buffer.from(text).equals(bytes);
}
