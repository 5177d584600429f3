import { signerKey } from '../../../core/note.ts';
import type { Place, RecordMembers } from '../../../core/record.ts';
import type { AppendEntry } from '../../../core/rpc.ts';
import type { AuditLogSettings } from '../settings.ts';

export const MINUTE = 60_000;
export const DAY = 86_400_000;
export const START = Date.UTC(2026, 0, 15, 12);

export const SETTINGS: AuditLogSettings = {
  flushIntervalMs: 1000,
  batchRows: 1000,
  batchBytes: 4_000_000,
  keepFlushedMs: 7 * DAY,
  keepFlushedBytes: 2 * 1024 ** 3,
  maxUnflushedBytes: 64 * 1024 ** 2,
  orphanAfterMs: 2 * MINUTE,
  checkpointIntervalMs: MINUTE,
  origin: 'gateway.test',
  signer: signerKey('gateway.test', new Uint8Array(32).fill(1)),
  writerUrl: 'unused',
  sqlTimeoutMs: 1000,
};

export const TENANT = 'acme';

export function members(requestId: string, more: Partial<RecordMembers> = {}): RecordMembers {
  return {
    v: 1,
    phase: 'outcome',
    request_id: requestId,
    tenant: TENANT,
    decision: 'allow',
    reasons: ['role_allows'],
    ...more,
  };
}

/** A read, or a refusal: one record, without an intent. */
export function read(id: string, more: Partial<RecordMembers> = {}): AppendEntry {
  return {
    key: `${id}:outcome`,
    members: members(id, { outcome: { result: 'success', status: 200 }, ...more }),
  };
}

export function intent(id: string): AppendEntry {
  return { key: `${id}:intent`, members: members(id, { phase: 'intent', action: 'write' }) };
}

export function outcome(id: string, of?: Place): AppendEntry {
  const named = of && { intent: { log: of.log, index: of.index } };
  return {
    key: `${id}:outcome`,
    members: members(id, { action: 'write', outcome: { result: 'success', status: 200 }, ...named }),
  };
}

/** A refusal that shares a record with others of its key. */
export function refused(id: string, key: string, windowMs = MINUTE): AppendEntry {
  return {
    ...read(id, { decision: 'rate_limited', reasons: ['rate_limited'], client: '192.0.2.0/24' }),
    coalesce: { key, windowMs },
  };
}
