import { v7 as uuidv7 } from 'uuid';
import type { RecordMembers } from '../../core/record.ts';
import { MEMORY_ID } from '../../tests/fakes/mem0.ts';
import { TENANT } from '../scenarios.ts';

/** The record of a read by id as the gateway makes it, under a request id of its own. */
export function sampleMembers(): RecordMembers {
  return {
    ...{ v: 1, phase: 'outcome', request_id: uuidv7(), tenant: TENANT, decision: 'allow' },
    actor: { issuer: 'http://127.0.0.1:12345', sub: 'read-123' },
    ...{ roles: ['agent-reader'], action: 'read', operation: 'oss.memories.get', dialect: 'oss' },
    resource: { ids: [MEMORY_ID] },
    reasons: ['role_allows'],
    outcome: { result: 'success', status: 200, upstream_status: 200, latency_ms: 3 },
    ...{ policy: '0'.repeat(64), input: '1'.repeat(64) },
  };
}
