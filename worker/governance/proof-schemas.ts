import * as z from 'zod/mini';
import { Index, Leaf, LogName } from './schemas.ts';

/** What the governance API gives that can be checked without it: checkpoints, proofs, keys. */

const Hash = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const Size = z.int().check(z.minimum(0), z.describe('A number of records.'));

export const Hold = z.strictObject({
  held: z.boolean(),
  reason: z.nullable(z.string()).check(z.describe('Of what was said last; null: nothing ever was.')),
  since: z.nullable(z.string()).check(z.describe('When (RFC 3339).')),
});

const Signed = {
  size: Size,
  root: Hash.check(z.describe('The root of the Merkle tree (RFC 6962) over that many records, hex.')),
  note: z
    .string()
    .check(
      z.describe('The checkpoint (C2SP tlog-checkpoint) as a signed note, with the signatures of witnesses.'),
    ),
  signed_at: z.string().check(z.describe('When it was stored (RFC 3339). Not signed.')),
};

export const CheckpointBody = z.strictObject({ log: LogName, ...Signed });

export const Receipt = z
  .strictObject({
    log: LogName,
    index: Index,
    leaf: Leaf,
    canonical: z
      .optional(z.string())
      .check(z.describe('The exact text that was hashed; absent when it is archived.')),
    archive: z
      .optional(z.strictObject({ name: z.string(), sha256: Hash }))
      .check(z.describe('The file that holds the record now.')),
    proof: z.array(Hash).check(z.describe('The audit path (RFC 6962 §2.1.1), from the leaf upwards, hex.')),
    checkpoint: z.strictObject(Signed),
  })
  .check(
    z.describe(
      'A record with the proof that it is in its log. `npm run receipt -- verify` checks it offline.',
    ),
  );

export const Consistency = z.strictObject({
  log: LogName,
  from: Size,
  to: Size,
  proof: z.array(Hash).check(z.describe('RFC 6962 §2.1.2, hex.')),
});

export const Logs = z.strictObject({
  logs: z
    .array(
      z.strictObject({
        log: LogName,
        shard: z.int().check(z.minimum(0)),
        epoch: z.int().check(z.minimum(1), z.describe('Counts up when a log forked.')),
        size: Size.check(z.describe('Records that the database holds.')),
        quarantined: z
          .int()
          .check(z.minimum(0), z.describe('Of these, how many it could only keep as bytes.')),
        checkpoint: z
          .nullable(Size)
          .check(z.describe('The size of the last checkpoint; null: there is none yet.')),
      }),
    )
    .check(z.describe('Every log that the tenant ever had.')),
});

export const AuditKeys = z.strictObject({
  origin: z.string().check(z.describe('A checkpoint’s origin is this, a slash and the log.')),
  signing: z.string().check(z.describe('The verifier key of the key that signs now (C2SP signed-note).')),
  verifiers: z
    .array(z.string())
    .check(z.describe('That key, and those that signed before or will sign next.')),
  witnesses: z
    .array(z.string())
    .check(z.describe('The verifier keys of the witnesses whose signatures are taken.')),
  shards: z
    .int()
    .check(z.minimum(1), z.describe('How many logs a tenant writes to at a time: look for each of them.')),
});

export const Cosigned = z.strictObject({
  status: z
    .enum(['stored', 'known'])
    .check(z.describe('`known`: that witness had signed that checkpoint before.')),
});

export type HoldAnswer = z.infer<typeof Hold>;
export type CheckpointAnswerBody = z.infer<typeof CheckpointBody>;
export type ReceiptAnswer = z.infer<typeof Receipt>;
export type ConsistencyAnswer = z.infer<typeof Consistency>;
export type LogsAnswer = z.infer<typeof Logs>;
export type AuditKeysAnswer = z.infer<typeof AuditKeys>;
