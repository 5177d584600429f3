import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from './command.ts';
import { OPA_VERSION, run } from './opa.ts';
import { type PolicyDigests, sha256, sourceDigests } from './policy-freshness.ts';

/**
 * -O0: at higher levels, data that is absent when building is folded to undefined, so that rules on data which
 * is loaded later vanish. The sources are named by the relative word, because the path as typed is in the bytes.
 */
const FLAGS = [
  '-t',
  'wasm',
  '-e',
  'mem0/authz/decision',
  '-O',
  '0',
  '--ignore',
  '*_test.rego',
  '--ignore',
  'tests',
  '--ignore',
  'module',
  '--ignore',
  'schemas',
  '--ignore',
  'capabilities.json',
] as const;

export interface BuiltPolicy {
  readonly module: Buffer;
  readonly digests: PolicyDigests;
}

/** Compiles the policies below `root`. @throws CommandError with what OPA says. */
export async function buildPolicy(root: string, opa: string): Promise<BuiltPolicy> {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-policy-'));
  try {
    const bundle = join(dir, 'bundle.tar.gz');
    const args = [
      'build',
      ...FLAGS,
      '--capabilities',
      join('policies', 'capabilities.json'),
      '-o',
      bundle,
      'policies',
    ];
    const built = await run(opa, args, { cwd: root });
    if (built.code !== 0) throw new CommandError(`The policies do not compile:\n${built.stderr.trim()}`);
    const unpacked = await run('tar', ['-xzf', bundle, '-C', dir, '/policy.wasm']);
    if (unpacked.code !== 0)
      throw new CommandError(`The bundle cannot be unpacked: ${unpacked.stderr.trim()}`);
    const module = await readFile(join(dir, 'policy.wasm'));
    const sources = await sourceDigests(join(root, 'policies'));
    const digest = sha256(module);
    const policy = sha256(`${digest}\n${sources['data.json']}\n`);
    return { module, digests: { policy, module: digest, sources, opa: OPA_VERSION, flags: FLAGS } };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export function digestsText(digests: PolicyDigests): string {
  return `${JSON.stringify(digests, null, 2)}\n`;
}
