import { VaultUnavailable } from '../audit/personal.ts';
import { AuditUnreadable } from '../governance/audit-database.ts';
import { Problem } from '../problem.ts';

/**
 * What `run` gives; where the audit log or a vault is out of reach, the problem that its caller is told of.
 * @param code what it is called when the audit log is. @throws Problem
 */
export async function readable<T>(
  run: () => Promise<T>,
  code: 'audit_unreadable' | 'proof_unavailable' = 'audit_unreadable',
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof VaultUnavailable) {
      throw new Problem('vault_unavailable', { reason: 'vault_unavailable' });
    }
    if (!(error instanceof AuditUnreadable)) throw error;
    throw new Problem(code, { reason: code });
  }
}
