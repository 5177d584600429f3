import { auditLogObject, STRANGERS } from '../../core/names.ts';
import { neonSql } from '../../durable-objects/neon-sql.ts';
import type { Config } from '../config.ts';
import { objectsOf } from '../objects.ts';
import type { Parts } from '../pipeline/stage.ts';
import type { Probe } from './health.ts';

const PROBE_MS = 2500;

/** What `/ready` looks at. Postgres is not on the request path: without it the logs fill, and requests go on. */
export function probes(parts: Parts, env: Env): readonly Probe[] {
  const { config, verifier } = parts;
  const auditLog = objectsOf(env, 'AUDIT_LOG');
  return [
    {
      part: 'identity',
      needed: true,
      look: async () => ((await verifier.ready(Date.now())) ? 'ok' : 'down'),
    },
    {
      part: 'audit_log',
      needed: true,
      look: async () => {
        const { forked, failures } = await auditLog(auditLogObject(STRANGERS, 0)).status();
        if (forked) return 'down';
        return failures > 0 ? 'degraded' : 'ok';
      },
    },
    {
      part: 'audit_database',
      needed: false,
      look: async () => {
        await (await neonSql(config.AUDIT_READER_URL, config.AUDIT_SQL_ENDPOINT, PROBE_MS))`select 1`;
        return 'ok';
      },
    },
    {
      part: 'mem0',
      needed: true,
      look: async () => {
        const answer = await fetch(`${config.MEM0_ORIGIN}/`, {
          method: 'GET',
          redirect: 'manual',
          cache: 'no-store',
          signal: AbortSignal.timeout(PROBE_MS),
        });
        await answer.body?.cancel();
        return answer.status < 500 ? 'ok' : 'down';
      },
    },
  ];
}

/** Creates the audit tables of the months ahead. */
export async function ensurePartitions(config: Config): Promise<void> {
  await (await neonSql(config.AUDIT_WRITER_URL, config.AUDIT_SQL_ENDPOINT))`select audit.ensure_partitions()`;
}
