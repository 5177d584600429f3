import { parseLogName } from '../../../core/names.ts';
import { leafHash } from '../../../core/record.ts';
import { hashesOf } from '../../../core/tiles.ts';
import type { TenantReader } from '../database.ts';
import { LEAVES_A_SECTION } from './bundle.ts';
import { type CheckpointSection, Gathering, type LogSection, type Section } from './sections.ts';

/** Everything of a tenant's that names a log, also where a log's own row is gone. */
const LOGS = `with named as (
    select log from audit.log_head where tenant = current_setting('audit.tenant')
    union select log from audit.record where tenant = current_setting('audit.tenant')
    union select log from audit.quarantined where tenant = current_setting('audit.tenant')
    union select log from audit.checkpoint where tenant = current_setting('audit.tenant')
    union select log from audit.archive where tenant = current_setting('audit.tenant'))
  select n.log, h.head::text, encode(h.last_leaf, 'hex') as last_leaf,
      concat_ws('~', h.tenant, h.shard, h.epoch) as name, coalesce(a.past, 0)::text as start, a.frontier
    from named n left join audit.log_head h on h.log = n.log
    left join lateral (select past, frontier from audit.archive a where a.log = n.log
      order by a.past desc limit 1) a on true`;

const RECORDS = `select index::text, canonical, encode(leaf, 'hex') as leaf, tenant, time_ms::text as time,
    (extract(epoch from at) * 1000)::bigint::text as at, phase, request_id, actor_issuer, actor_sub, action,
    operation, decision, reasons::text as reasons, result, count::text as count
  from audit.record r where tenant = current_setting('audit.tenant') and log = $1 order by r.index`;

const QUARANTINED = `select index::text, bytes, encode(leaf, 'hex') as leaf, sqlstate from audit.quarantined q
  where tenant = current_setting('audit.tenant') and log = $1 order by q.index`;

const CHECKPOINTS = `select size::text, encode(root, 'base64') as root, note,
    coalesce((select string_agg(c.line, '' order by c.witness, c.key_hash) from audit.cosignature c
      where c.log = k.log and c.size = k.size), '') as lines
  from audit.checkpoint k where tenant = current_setting('audit.tenant') and log = $1 order by k.size`;

interface LogRow {
  readonly log: string;
  readonly head: string | null;
  readonly last_leaf: string | null;
  readonly name: string;
  /** What is below has been archived. */
  readonly start: string;
  readonly frontier: Buffer | null;
}

interface Columns {
  readonly leaf: string;
  readonly tenant: string;
  readonly time: string;
  readonly at: string;
  readonly phase: string;
  readonly request_id: string;
  readonly actor_issuer: string | null;
  readonly actor_sub: string | null;
  readonly action: string | null;
  readonly operation: string | null;
  readonly decision: string;
  readonly reasons: string;
  readonly result: string | null;
  readonly count: string;
}

type RecordRow = Columns & { readonly index: string; readonly canonical: string };
type QuarantinedRow = {
  readonly index: string;
  readonly bytes: Buffer;
  readonly leaf: string;
  readonly sqlstate: string;
};
type CheckpointRow = {
  readonly size: string;
  readonly root: string;
  readonly note: string;
  readonly lines: string;
};

/**
 * A tenant's logs as Postgres holds them, by epoch and shard. What columns say besides the texts is held against the
 * texts, because readers ask the columns.
 */
export async function* storedSections(reader: TenantReader): AsyncGenerator<readonly Section[], void> {
  const rows = await reader.read<LogRow>(LOGS);
  yield [{ kind: 'tenant', tenant: reader.tenant }];
  const logs = rows.filter(({ log }) => parseLogName(log) !== undefined).sort(byName);
  for (const row of logs) yield* logSections(reader, row);
  yield [{ kind: 'end', logs: logs.length }];
}

function byName(a: LogRow, b: LogRow): number {
  const [one, two] = [parseLogName(a.log)!, parseLogName(b.log)!];
  return one.shard - two.shard || one.epoch - two.epoch;
}

async function* logSections(reader: TenantReader, row: LogRow): AsyncGenerator<readonly Section[], void> {
  const { log, head, last_leaf, name } = row;
  const start = Number(row.start);
  const frontier = row.frontier === null ? [] : hashesOf(new Uint8Array(row.frontier));
  const section: LogSection = { kind: 'log', log, start, end: Math.max(start, Number(head ?? 0)), frontier };
  yield [section, ...(name === log ? [] : [fault('its head is missing, or of another log')])];

  const kept = new Ahead(reader.stream<QuarantinedRow>(QUARANTINED, [log], LEAVES_A_SECTION));
  const signed = new Ahead(reader.stream<CheckpointRow>(CHECKPOINTS, [log], LEAVES_A_SECTION));
  let last: { readonly index: number; readonly leaf: string } | undefined;
  /** Behind records up to this index nothing comes in between. */
  let clear = -1;
  const before = async (index: number): Promise<Section[]> => {
    const found: Section[] = [];
    for (;;) {
      const [bytes, note] = [await kept.peek(), await signed.peek()];
      const [at, size] = [Number(bytes?.index ?? Infinity), Number(note?.size ?? Infinity)];
      clear = Math.min(at, size - 1);
      if (clear >= index) return found;
      // A checkpoint comes behind the last record that it covers.
      if (size <= at) found.push(...checkpointOf((await signed.next())!));
      else {
        const taken = (await kept.next())!;
        last = { index: at, leaf: taken.leaf };
        found.push(...quarantinedOf(taken));
      }
    }
  };

  const gathering = new Gathering();
  for await (const rows of reader.stream<RecordRow>(RECORDS, [log], LEAVES_A_SECTION)) {
    for (const row of rows) {
      const index = Number(row.index);
      if (index > clear) gathering.add(...(await before(index)));
      gathering.leaf(index, Buffer.from(row.canonical, 'utf8'));
      last = { index, leaf: row.leaf };
      const wrong = columnFault(row);
      if (wrong !== undefined) gathering.add(fault(wrong, index));
    }
    yield gathering.take();
  }
  const rest = await before(Number.POSITIVE_INFINITY);
  const ends = last !== undefined && head === String(last.index + 1);
  if (ends && last_leaf !== last?.leaf) rest.push(fault('its head has another last leaf'));
  yield rest;
}

const fault = (what: string, index?: number): Section => ({
  ...{ kind: 'fault', what },
  ...(index === undefined ? {} : { index }),
});

/** A stream of rows of which one is looked at before it is taken. */
class Ahead<T> {
  readonly #batches: AsyncGenerator<readonly T[], void>;
  #rows: readonly T[] = [];
  #at = 0;
  #done = false;

  constructor(batches: AsyncGenerator<readonly T[], void>) {
    this.#batches = batches;
  }

  async peek(): Promise<T | undefined> {
    while (this.#at === this.#rows.length && !this.#done) {
      const { value, done } = await this.#batches.next();
      [this.#rows, this.#at, this.#done] = [value ?? [], 0, done === true];
    }
    return this.#rows[this.#at];
  }

  async next(): Promise<T | undefined> {
    const row = await this.peek();
    this.#at++;
    return row;
  }
}

function checkpointOf({ size, root, note, lines }: CheckpointRow): Section[] {
  const section: CheckpointSection = { kind: 'checkpoint', size: Number(size), note: note + lines };
  const [, stated, signed] = note.split('\n');
  if (stated === size && signed === root) return [section];
  return [section, fault(`the row of the checkpoint of ${size} says other than its note`)];
}

function quarantinedOf({ index: at, bytes, leaf, sqlstate }: QuarantinedRow): Section[] {
  const index = Number(at);
  const sections: Section[] = [
    { kind: 'leaves', first: index, leaves: [bytes] },
    { kind: 'quarantined', index, sqlstate },
  ];
  return leafHash(bytes) === leaf ? sections : [...sections, fault('its leaf hash is another', index)];
}

interface Told {
  readonly time?: unknown;
  readonly phase?: unknown;
  readonly request_id?: unknown;
  readonly tenant?: unknown;
  readonly actor?: { readonly issuer?: unknown; readonly sub?: unknown };
  readonly action?: unknown;
  readonly operation?: unknown;
  readonly decision?: unknown;
  readonly reasons?: unknown;
  readonly outcome?: { readonly result?: unknown };
  readonly count?: unknown;
}

/** Which column says other than the text. A text that is no record is told of where it is read. */
function columnFault(row: RecordRow): string | undefined {
  if (leafHash(Buffer.from(row.canonical, 'utf8')) !== row.leaf) return 'its leaf hash is another';
  let told: Told | null;
  try {
    told = JSON.parse(row.canonical) as Told | null;
  } catch {
    return undefined;
  }
  if (typeof told !== 'object' || told === null) return undefined;
  const said: { readonly [column in Exclude<keyof Columns, 'leaf'>]: unknown } = {
    tenant: told.tenant,
    time: digitsOf(told.time),
    at: digitsOf(told.time),
    phase: told.phase,
    request_id: told.request_id,
    actor_issuer: told.actor?.issuer ?? null,
    actor_sub: told.actor?.sub ?? null,
    action: told.action ?? null,
    operation: told.operation ?? null,
    decision: told.decision,
    reasons: wordsOf(told.reasons),
    result: told.outcome?.result ?? null,
    count: digitsOf(told.count ?? 1),
  };
  const wrong = (Object.keys(said) as (keyof typeof said)[]).find((column) => {
    // Postgres writes its arrays with a space behind each comma.
    const stored = column === 'reasons' ? (wordsOf(JSON.parse(row.reasons)) ?? null) : row[column];
    return stored !== said[column];
  });
  return wrong && `its column ${wrong} says other than its text`;
}

// What a text holds in these places may be anything, and of some values there is no text to be had.
const digitsOf = (value: unknown) => (typeof value === 'number' ? String(value) : undefined);
const wordsOf = (value: unknown) =>
  Array.isArray(value) && value.every((word) => typeof word === 'string') ? JSON.stringify(value) : undefined;
