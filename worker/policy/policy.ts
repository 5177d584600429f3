import type { Json } from '../../core/canonical.ts';
import { isObject } from '../../core/json.ts';
import { type Evaluate, evaluatorOf } from '../../core/opa.ts';

export interface PolicyDecision {
  readonly allow: boolean;
  /** Reason codes, sorted; never empty. */
  readonly reasons: readonly string[];
  readonly obligations: { readonly [name: string]: Json };
  /** Digest of the module and its data: which policy decided. */
  readonly digest: string;
}

export interface Policy {
  /** Synchronous. Never throws: what cannot be read denies with the one reason `policy_unreadable`. */
  decide(input: unknown): PolicyDecision;
}

export type { Evaluate };

/** What one instance may hold, in pages of 64 KiB: far above what a request's facts need. */
const MEMORY = { initial: 5, maximum: 256 };

/** Reason codes go into records and problems, so they are short and of few characters. */
const REASON = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * A compiled policy with its data. The instance is private to the returned object, because setting data changes
 * the instance.
 * @throws when the module cannot be instantiated; the gateway then does not start.
 */
export function createPolicy(module: WebAssembly.Module, data: object, digest: string): Policy {
  return policyOf(() => evaluatorOf(module, data, MEMORY), digest);
}

/**
 * Reads whatever an evaluation gives; everything but a well-formed allow is a deny. An instance that has thrown is
 * never asked again: an aborted evaluation leaves its stack where it was, and enough of them wear the instance out.
 */
export function policyOf(instantiate: () => Evaluate, digest: string): Policy {
  let evaluate: Evaluate | undefined = instantiate();
  return {
    decide(input) {
      try {
        evaluate ??= instantiate();
        return read(evaluate(input), digest);
      } catch {
        evaluate = undefined;
        return unreadable(digest);
      }
    },
  };
}

function read(results: unknown, digest: string): PolicyDecision {
  if (!Array.isArray(results) || results.length !== 1 || !isObject(results[0])) return unreadable(digest);
  const { result } = results[0];
  // Exactly these members, and its own: nothing inherited can make an allow.
  if (!isObject(result) || Object.keys(result).sort().join() !== 'allow,obligations,reasons') {
    return unreadable(digest);
  }
  const { allow, reasons, obligations } = result;
  if (typeof allow !== 'boolean' || !isReasons(reasons) || !isObject(obligations)) return unreadable(digest);
  return { allow, reasons, obligations: obligations as PolicyDecision['obligations'], digest };
}

function isReasons(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((code) => typeof code === 'string' && REASON.test(code))
  );
}

function unreadable(digest: string): PolicyDecision {
  return { allow: false, reasons: ['policy_unreadable'], obligations: {}, digest };
}
