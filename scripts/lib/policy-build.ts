import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical } from '../../core/canonical.ts';
import { CommandError } from './command.ts';
import { OPA_VERSION } from './opa-install.ts';
import { NOT_COMPILED, type PolicyDigests, policyDigest, sha256, sourceDigests } from './policy-freshness.ts';
import { run } from './run.ts';

/**
 * -O0: at higher levels, data that is absent when building is folded to undefined, so that rules on data which
 * is loaded later vanish.
 */
const FLAGS = [
  '-t',
  'wasm',
  '-e',
  'mem0/authz/decision',
  '-O',
  '0',
  ...NOT_COMPILED.flatMap((pattern) => ['--ignore', pattern]),
];

/**
 * Strictly, and against the schema of what the gateway passes: a member that is misspelt is undefined, and the rule that reads
 * it would never hold.
 */
const CHECK = [
  ...['check', '--strict', '--schema', 'policies/schemas/input.json'],
  ...['--capabilities', 'policies/capabilities.json'],
];

/** What OPA says against the Rego sources below `root`; empty when it says nothing. */
export async function checkPolicy(root: string, opa: string): Promise<string> {
  const { code, stdout, stderr } = await run(opa, [...CHECK, ...(await regoSources(root))], { cwd: root });
  return code === 0 ? '' : (stdout + stderr).trim() || `exit code ${code}`;
}

/** The Rego sources that are compiled, by their paths below `root`. */
export async function regoSources(root: string): Promise<string[]> {
  const paths = Object.keys(await sourceDigests(join(root, 'policies')));
  return paths.filter((path) => path.endsWith('.rego')).map((path) => `policies/${path}`);
}

export interface BuiltPolicy {
  readonly module: Buffer;
  readonly digests: PolicyDigests;
}

/** Compiles the policies below `root`. @throws CommandError with what OPA says. */
export async function buildPolicy(root: string, opa: string): Promise<BuiltPolicy> {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-policy-'));
  try {
    // Before compiling: a source that is edited meanwhile then counts as newer than the module.
    const sources = await sourceDigests(join(root, 'policies'));
    const bundle = join(dir, 'bundle.tar.gz');
    // The folder by this relative word: OPA writes the path as it was typed into the module.
    const args = [
      'build',
      ...FLAGS,
      '--capabilities',
      'policies/capabilities.json',
      '-o',
      bundle,
      'policies',
    ];
    const built = await run(opa, args, { cwd: root });
    if (built.code !== 0)
      throw new CommandError(`The policies do not compile:\n${(built.stdout + built.stderr).trim()}`);
    const unpacked = await run('tar', ['-xzf', bundle, '-C', dir, '/policy.wasm', '/data.json']);
    if (unpacked.code !== 0)
      throw new CommandError(`OPA's bundle cannot be unpacked with tar: ${unpacked.stderr.trim()}`);
    await sameData(join(dir, 'data.json'), join(root, 'policies', 'data.json'));
    const module = await readFile(join(dir, 'policy.wasm'));
    const digest = sha256(module);
    const policy = policyDigest(digest, sources['data.json'] ?? '');
    return { module, digests: { policy, module: digest, sources, opa: OPA_VERSION, flags: FLAGS } };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The gateway loads data.json and nothing else, so a rule on any other data would be undefined there. */
async function sameData(bundled: string, loaded: string): Promise<void> {
  const [theirs, ours] = await Promise.all([bundled, loaded].map((path) => readFile(path, 'utf8')));
  if (canonical(JSON.parse(theirs as string)) === canonical(JSON.parse(ours as string))) return;
  throw new CommandError(
    'policies/ holds data beside data.json; move it there, because nothing else is loaded.',
  );
}

export function digestsText(digests: PolicyDigests): string {
  return `${JSON.stringify(digests, null, 2)}\n`;
}
