import { stalePolicies } from '../policy-freshness.ts';
import { type Finding, findings } from './finding.ts';

const { ok, failed } = findings('policies');

/** Whether the module that would be deployed is what its sources say. */
export async function policyChecks(policies: string): Promise<Finding[]> {
  const remedy = 'Run `npm run policy:build` and commit policies/module/.';
  try {
    const stale = await stalePolicies(policies);
    if (stale.length === 0) return [ok('the compiled module is as new as its sources')];
    return [failed(`changed since the policy was compiled: ${stale.join(', ')}`, remedy)];
  } catch (error) {
    return [
      failed(`the digests cannot be read (${(error as NodeJS.ErrnoException).code ?? 'no JSON'})`, remedy),
    ];
  }
}
