import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { OPA_VERSION } from '../scripts/lib/opa-install.ts';
import {
  type PolicyDigests,
  policyDigest,
  sha256,
  sourceDigests,
  stalePolicies,
} from '../scripts/lib/policy-freshness.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url));
const text = (path: string) => read(path).toString('utf8');
const digests = JSON.parse(text('module/digests.json')) as PolicyDigests;

describe('the committed module', () => {
  it('was made from the sources as they are', async () => {
    const policies = fileURLToPath(new URL('.', import.meta.url));
    expect(await stalePolicies(policies)).toEqual([]);
    expect(Object.keys(await sourceDigests(policies))).toEqual(
      expect.arrayContaining(['data.json', 'deny_by_default.rego', 'role_based_access.rego']),
    );
  });

  it('is the one that the digests name', () => {
    expect(sha256(read('module/policy.wasm'))).toBe(digests.module);
    expect(policyDigest(digests.module, sha256(read('data.json')))).toBe(digests.policy);
    expect(digests.opa).toBe(OPA_VERSION);
  });

  it('was compiled without optimisation, for the one entrypoint', () => {
    expect(digests.flags.join(' ')).toContain('-t wasm -e mem0/authz/decision -O 0');
  });

  it('calls no builtin of its host, so it reaches no network, clock or environment', () => {
    expect(exported('builtins')).toEqual({});
    expect(exported('entrypoints')).toEqual({ 'mem0/authz/decision': 0 });
  });
});

/** What one of OPA's exported functions answers, read from the module's memory without the library. */
function exported(name: 'builtins' | 'entrypoints'): unknown {
  const memory = new WebAssembly.Memory({ initial: 5 });
  const refused = () => {
    throw new Error('called its host');
  };
  const module = new WebAssembly.Module(read('module/policy.wasm'));
  const env = Object.fromEntries(WebAssembly.Module.imports(module).map((needed) => [needed.name, refused]));
  const { exports } = new WebAssembly.Instance(module, { env: { ...env, memory } });
  const call = exports as { [name: string]: (...args: number[]) => number };
  const start = call.opa_json_dump!(call[name]!());
  const bytes = new Uint8Array(memory.buffer);
  return JSON.parse(Buffer.from(bytes.subarray(start, bytes.indexOf(0, start))).toString('utf8'));
}

describe('capabilities', () => {
  const pinned = JSON.parse(text('capabilities.json'));

  it('are what the runtime ships, and Rego v1', () => {
    const shipped = JSON.parse(text('../node_modules/@open-policy-agent/opa-wasm/capabilities.json'));
    expect(pinned).toEqual({ ...shipped, features: ['rego_v1'] });
  });

  it.each(['http.send', 'net.lookup_ip_addr', 'opa.runtime', 'time.now_ns', 'io.jwt.decode_verify'])(
    'lack %s',
    (name) => {
      const names = pinned.builtins.map((builtin: { name: string }) => builtin.name);
      expect(names.length).toBeGreaterThan(90);
      expect(names).not.toContain(name);
    },
  );
});

describe('reason codes', () => {
  it('are all in the table of the README, and no others', () => {
    const rego = Object.keys(digests.sources).filter((path) => path.endsWith('.rego'));
    const denials = [
      ...rego.flatMap((path) => found(text(path), /denials contains "([^"]+)"/g)),
      ...rego.flatMap((path) => found(text(path), /reasons := \["([^"]+)"\]/g)),
      ...found(text('../worker/policy/policy.ts'), /reasons: \['([^']+)'\]/g),
    ];
    const roles = Object.keys(JSON.parse(text('data.json')).mem0.roles);
    const allows = roles.map((role) => `role_${role.replaceAll('-', '_')}`);
    expect(denials).toEqual(expect.arrayContaining(['no_matching_rule', 'no_roles', 'policy_unreadable']));
    expect(found(text('README.md'), /^\| `(\w+)` +\| allow +\|/gm)).toEqual(allows.sort());
    expect(found(text('README.md'), /^\| `(\w+)` +\| deny +\|/gm)).toEqual(denials.sort());
  });
});

function found(source: string, pattern: RegExp): string[] {
  return [...source.matchAll(pattern)].map(([, code]) => code as string).sort();
}
