import data from '../../policies/data.json';
import digests from '../../policies/module/digests.json';
import module from '../../policies/module/policy.wasm';
import { createPolicy, type Policy } from './policy.ts';

/** The committed policy. A Worker may not compile code, so the module is imported and never fetched. */
export function loadPolicy(): Policy {
  return createPolicy(module, data, digests.policy);
}
