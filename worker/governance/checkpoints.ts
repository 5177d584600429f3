import { auditLogObject, parseLogName } from '../../core/names.ts';
import type { NoteSignature, VerifierKey } from '../../core/note.ts';
import { formatSignature } from '../../core/note.ts';
import type { Place } from '../../core/record.ts';
import type { AuditLogRpc, InclusionProof, SignedCheckpoint } from '../../core/rpc.ts';
import { within } from '../waits.ts';
import { AuditUnreadable, auditWriter, type Row, tenantReader } from './audit-database.ts';

/** A log as the tenant is told of it. */
export interface LogSummary {
  readonly log: string;
  readonly shard: number;
  readonly epoch: number;
  /** Records that the database holds. */
  readonly size: number;
  readonly quarantined: number;
  /** The size of its last checkpoint; `null`: it has none. */
  readonly checkpoint: number | null;
}

/** Under which checkpoint a witness signed, and with what. */
export interface Cosignature {
  readonly size: number;
  /** Hex. */
  readonly root: string;
  readonly key: VerifierKey;
  readonly seconds: number;
  readonly line: NoteSignature;
}

/** Checkpoints and proofs of one tenant's logs. Everything throws AuditUnreadable when it cannot be had now. */
export interface Checkpoints {
  /** Every log that the database holds, and those that objects write to now: it may be behind, or have lost them. */
  logs(tenant: string): Promise<readonly LogSummary[]>;
  /**
   * The last checkpoint of a log, with its witnesses' signatures, that covers `size` records; where none is stored,
   * or `fresh`, one is signed now. `undefined`: the tenant has no such log, or it is not that large.
   */
  last(tenant: string, log: string, size: number, fresh: boolean): Promise<SignedCheckpoint | undefined>;
  inclusion(place: Place, size: number): Promise<InclusionProof>;
  /** `undefined`: the tenant has no such log, or it is not that large. */
  consistency(tenant: string, log: string, from: number, to: number): Promise<readonly string[] | undefined>;
  /** Whether there is such a checkpoint, and whether the witness's signature is there already. */
  cosigned(log: string, cosignature: Cosignature): Promise<'no_checkpoint' | 'known' | 'new'>;
  keepCosignature(log: string, cosignature: Cosignature): Promise<void>;
}

export interface CheckpointsOptions {
  readonly readerUrl: string;
  readonly writerUrl: string;
  readonly endpoint: string | undefined;
  /** Logs that the database does not know are looked for in objects of shards below this, and in no other. */
  readonly shards: number;
  readonly object: (name: string) => AuditLogRpc;
}

/** Longer than a flush and the calls for a checkpoint take when all is well. */
const SIGN_TIMEOUT_MS = 20_000;
const PROOF_TIMEOUT_MS = 5000;

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  const { readerUrl, writerUrl, endpoint, shards, object } = options;
  const read = tenantReader(readerUrl, endpoint);
  const write = auditWriter(writerUrl, endpoint);

  /** The object of a log of the tenant's that is known to exist, or may. Asking any other would make one. */
  const reach = (tenant: string, log: string, known: boolean): AuditLogRpc | undefined => {
    const name = parseLogName(log);
    if (name?.tenant !== tenant || (!known && name.shard >= shards)) return undefined;
    return object(auditLogObject(tenant, name.shard));
  };

  const stored = async (tenant: string, log: string) => {
    if (parseLogName(log)?.tenant !== tenant) return undefined;
    const [heads = [], checkpoints = [], lines = []] = await read(tenant, [
      { text: KNOWN, values: [log] },
      { text: LAST, values: [log] },
      { text: COSIGNATURES, values: [log] },
    ]);
    const [row] = checkpoints;
    const checkpoint = row && checkpointOf(row, lines);
    return { known: heads.length > 0, ...(checkpoint === undefined ? {} : { checkpoint }) };
  };

  /** The logs that objects write to and the database does not know. */
  const unlisted = async (tenant: string, listed: readonly LogSummary[]): Promise<LogSummary[]> => {
    const written = new Set([...Array(shards).keys(), ...listed.map(({ shard }) => shard)]);
    const states = await Promise.all(
      [...written].map(async (shard) => ({
        shard,
        status: await answered(PROOF_TIMEOUT_MS, object(auditLogObject(tenant, shard)).status()),
      })),
    );
    return states.flatMap(({ shard, status }) => {
      const epoch = parseLogName(status?.log ?? '')?.epoch;
      if (!status || epoch === undefined || status.size === 0) return [];
      if (listed.some(({ log }) => log === status.log)) return [];
      return [{ log: status.log, shard, epoch, size: 0, quarantined: 0, checkpoint: null }];
    });
  };

  return {
    async logs(tenant) {
      const [rows = []] = await read(tenant, [{ text: LOGS, values: [] }]);
      const listed = rows.map((row) => ({
        log: String(row.log),
        shard: Number(row.shard),
        epoch: Number(row.epoch),
        size: Number(row.head),
        quarantined: Number(row.quarantined),
        checkpoint: row.checkpoint === null ? null : Number(row.checkpoint),
      }));
      const lacking = await unlisted(tenant, listed);
      return [...listed, ...lacking].sort((a, b) => a.epoch - b.epoch || a.shard - b.shard);
    },

    async last(tenant, log, size, fresh) {
      const before = await stored(tenant, log);
      if (before === undefined) return undefined;
      const { known, checkpoint } = before;
      if (!fresh && checkpoint !== undefined && checkpoint.size >= size) return checkpoint;
      const answer = await answered(SIGN_TIMEOUT_MS, reach(tenant, log, known)?.checkpoint(log));
      if (answer === undefined) return undefined;
      if (!answer.ok && answer.code === 'unavailable') throw new AuditUnreadable();
      // Of an epoch that the object does not have there is what was stored.
      if (!answer.ok || answer.log !== log)
        return checkpoint && checkpoint.size >= size ? checkpoint : undefined;
      if (answer.size === checkpoint?.size) return checkpoint.size >= size ? checkpoint : undefined;
      const { root, note, signedMs } = answer;
      return answer.size >= size ? { size: answer.size, root, note, signedMs } : undefined;
    },

    async inclusion(place, size) {
      const { tenant } = parseLogName(place.log)!;
      const proof = await answered(PROOF_TIMEOUT_MS, reach(tenant, place.log, true)?.inclusion(place, size));
      if (proof === undefined || proof === null) throw new AuditUnreadable();
      return proof;
    },

    async consistency(tenant, log, from, to) {
      const before = await stored(tenant, log);
      if (before === undefined) return undefined;
      const asked = reach(tenant, log, before.known)?.consistency(log, from, to);
      return (await answered(PROOF_TIMEOUT_MS, asked)) ?? undefined;
    },

    async cosigned(log, { size, root, key }) {
      const name = parseLogName(log);
      if (name === undefined) return 'no_checkpoint';
      const [checkpoints = [], lines = []] = await read(name.tenant, [
        { text: HAS_CHECKPOINT, values: [log, size, root] },
        { text: HAS_COSIGNATURE, values: [log, size, key.name, key.hash] },
      ]);
      if (checkpoints.length === 0) return 'no_checkpoint';
      return lines.length > 0 ? 'known' : 'new';
    },

    keepCosignature: (log, { size, root, key, seconds, line }) =>
      write(
        (
          sql,
        ) => sql`select audit.store_cosignature(${log}, ${size}, decode(${root}, 'hex'), ${key.name}, ${key.hash},
          ${seconds}, ${formatSignature(line)})`,
      ),
  };
}

/** What an object said; `undefined`: there is none to ask. @throws AuditUnreadable when it said nothing. */
async function answered<T>(ms: number, asked: Promise<T> | undefined): Promise<T | undefined> {
  if (asked === undefined) return undefined;
  const answer = await within(
    ms,
    asked.then((value) => ({ value })),
  ).catch(() => undefined);
  if (answer === undefined) throw new AuditUnreadable();
  return answer.value;
}

function checkpointOf(row: Row, lines: readonly Row[]): SignedCheckpoint {
  return {
    size: Number(row.size),
    root: String(row.root),
    note: String(row.note) + lines.map(({ line }) => String(line)).join(''),
    signedMs: Number(row.signed_ms),
  };
}

const LOGS = `select h.log, h.shard::text, h.epoch::text, h.head::text,
    (select count(*) from audit.quarantined q where q.log = h.log)::text as quarantined,
    (select max(c.size) from audit.checkpoint c where c.log = h.log)::text as checkpoint
  from audit.log_head h order by h.epoch, h.shard, h.log`;

const KNOWN = 'select log from audit.log_head where log = $1::text';

const LAST = `select size::text, encode(root, 'hex') as root, note,
    (extract(epoch from signed_at) * 1000)::bigint::text as signed_ms
  from audit.checkpoint c where c.log = $1::text order by c.size desc limit 1`;

const COSIGNATURES = `select line from audit.cosignature
  where log = $1::text and size = (select max(c.size) from audit.checkpoint c where c.log = $1::text)
  order by witness, key_hash`;

const HAS_CHECKPOINT = `select log from audit.checkpoint
  where log = $1::text and size = $2::bigint and root = decode($3::text, 'hex')`;

const HAS_COSIGNATURE = `select log from audit.cosignature
  where log = $1::text and size = $2::bigint and witness = $3::text and key_hash = $4::text`;
