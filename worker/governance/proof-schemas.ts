import * as z from 'zod';
import { Index, Leaf, LogName } from './schemas.ts';

/** What the governance API gives that can be checked without it: checkpoints, proofs, keys. */

const Hash = z.string().regex(/^[0-9a-f]{64}$/);
const Size = z.number().int().min(0).describe('A number of records.');

export const HoldRequest = z.strictObject({
  held: z.boolean().describe('Whether the tenant’s records are kept from being archived from now on.'),
  reason: z.string().min(1).max(500).describe('Why; for those who ask later. No personal data.'),
});

export const Hold = z.strictObject({
  held: z.boolean(),
  reason: z.string().nullable().describe('Of what was said last; null: nothing ever was.'),
  since: z.string().nullable().describe('When (RFC 3339).'),
});

const Signed = {
  size: Size,
  root: Hash.describe('The root of the Merkle tree (RFC 6962) over that many records, hex.'),
  note: z
    .string()
    .describe('The checkpoint (C2SP tlog-checkpoint) as a signed note, with the signatures of witnesses.'),
  signed_at: z.string().describe('When it was stored (RFC 3339). Not signed.'),
};

export const CheckpointBody = z.strictObject({ log: LogName, ...Signed });

export const Receipt = z
  .strictObject({
    log: LogName,
    index: Index,
    leaf: Leaf,
    canonical: z.string().optional().describe('The exact text that was hashed; absent when it is archived.'),
    archive: z
      .strictObject({ name: z.string(), sha256: Hash })
      .optional()
      .describe('The file that holds the record now.'),
    proof: z.array(Hash).describe('The audit path (RFC 6962 §2.1.1), from the leaf upwards, hex.'),
    checkpoint: z.strictObject(Signed),
  })
  .describe('A record with the proof that it is in its log. `npm run receipt -- verify` checks it offline.');

export const Consistency = z.strictObject({
  log: LogName,
  from: Size,
  to: Size,
  proof: z.array(Hash).describe('RFC 6962 §2.1.2, hex.'),
});

export const Logs = z.strictObject({
  logs: z
    .array(
      z.strictObject({
        log: LogName,
        shard: z.number().int().min(0),
        epoch: z.number().int().min(1).describe('Counts up when a log forked.'),
        size: Size.describe('Records that the database holds.'),
        quarantined: z.number().int().min(0).describe('Of these, how many it could only keep as bytes.'),
        checkpoint: Size.nullable().describe('The size of the last checkpoint; null: there is none yet.'),
      }),
    )
    .describe('Every log that the tenant ever had.'),
});

export const AuditKeys = z.strictObject({
  origin: z.string().describe('A checkpoint’s origin is this, a slash and the log.'),
  signing: z.string().describe('The verifier key of the key that signs now (C2SP signed-note).'),
  verifiers: z.array(z.string()).describe('That key, and those that signed before or will sign next.'),
  witnesses: z.array(z.string()).describe('The verifier keys of the witnesses whose signatures are taken.'),
  shards: z
    .number()
    .int()
    .min(1)
    .describe('How many logs a tenant writes to at a time: look for each of them.'),
});

/** The whole request body of a cosignature, in bytes. */
export const MAX_COSIGNATURE_BYTES = 4096;

export const CosignatureBody = z.strictObject({
  note: z
    .string()
    .max(MAX_COSIGNATURE_BYTES)
    .describe('The checkpoint with the signature line (cosignature/v1) of a configured witness.'),
});

export const Cosigned = z.strictObject({
  status: z.enum(['stored', 'known']).describe('`known`: that witness had signed that checkpoint before.'),
});

export type HoldAnswer = z.infer<typeof Hold>;
export type CheckpointAnswerBody = z.infer<typeof CheckpointBody>;
export type ReceiptAnswer = z.infer<typeof Receipt>;
export type ConsistencyAnswer = z.infer<typeof Consistency>;
export type LogsAnswer = z.infer<typeof Logs>;
export type AuditKeysAnswer = z.infer<typeof AuditKeys>;
