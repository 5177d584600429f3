import type { Json } from '../../core/canonical.ts';
import { loadPolicySync } from '../../core/opa.ts';

export interface PolicyDecision {
  readonly allow: boolean;
  /** Reason codes, sorted; never empty. */
  readonly reasons: readonly string[];
  readonly obligations: { readonly [name: string]: Json };
  /** Digest of the module and its data: which policy decided. */
  readonly digest: string;
}

export interface Policy {
  /** Synchronous. Never throws: what cannot be read denies. */
  decide(input: unknown): PolicyDecision;
}

/** Evaluates an input to OPA's result set. May throw anything, as the library does. */
export type Evaluate = (input: unknown) => unknown;

/**
 * A compiled policy with its data. The instance is private to the returned object, because setting data changes
 * the instance.
 * @throws when the module cannot be instantiated; the gateway then does not start.
 */
export function createPolicy(module: WebAssembly.Module, data: object, digest: string): Policy {
  const loaded = loadPolicySync(module);
  loaded.setData(data);
  return policyOf((input) => loaded.evaluate(input), digest);
}

/** Reads whatever an evaluation gives; everything but a well-formed allow is a deny. */
export function policyOf(evaluate: Evaluate, digest: string): Policy {
  return {
    decide(input) {
      try {
        return read(evaluate(input), digest);
      } catch {
        // The library throws strings, and a deep input a RangeError.
        return unreadable(digest);
      }
    },
  };
}

function read(results: unknown, digest: string): PolicyDecision {
  const [first, ...others] = Array.isArray(results) ? results : [];
  const result = (first as { result?: unknown } | undefined)?.result;
  if (others.length > 0 || typeof result !== 'object' || result === null) return unreadable(digest);
  const { allow, reasons, obligations, ...more } = result as { readonly [name: string]: unknown };
  const reasoned =
    Array.isArray(reasons) && reasons.length > 0 && reasons.every((reason) => typeof reason === 'string');
  const obliged = typeof obligations === 'object' && obligations !== null && !Array.isArray(obligations);
  if (typeof allow !== 'boolean' || !reasoned || !obliged || Object.keys(more).length > 0) {
    return unreadable(digest);
  }
  return { allow, reasons, obligations: obligations as PolicyDecision['obligations'], digest };
}

function unreadable(digest: string): PolicyDecision {
  return { allow: false, reasons: ['policy_unreadable'], obligations: {}, digest };
}
