import * as library from '@open-policy-agent/opa-wasm';

/** The library's types promise named exports; its ES module has this one under `default` only. */
export const { loadPolicySync } = (library as unknown as { readonly default: typeof library }).default;
