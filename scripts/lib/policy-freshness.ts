import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** What the committed module was made from; `policies/module/digests.json`. All digests are hex SHA-256. */
export interface PolicyDigests {
  /** Of the module's digest and the data's, each followed by a line feed: named in every record that it decided. */
  readonly policy: string;
  readonly module: string;
  /** By path below `policies/`: Rego sources, data and capabilities. */
  readonly sources: { readonly [path: string]: string };
  readonly opa: string;
  readonly flags: readonly string[];
}

/** What lies in `policies/` without being compiled. OPA takes these names as patterns, at any depth. */
export const NOT_COMPILED = ['*_test.rego', 'tests', 'module', 'schemas', 'capabilities.json'] as const;

/** Paths below `policies/` that are other than what the module was made from: changed, added or gone. */
export function staleSources(
  digests: Pick<PolicyDigests, 'sources'>,
  sources: { readonly [path: string]: string },
): string[] {
  const paths = new Set([...Object.keys(digests.sources), ...Object.keys(sources)]);
  return [...paths].filter((path) => digests.sources[path] !== sources[path]).sort();
}

/** Whether a path below `policies/` decides what is compiled, or with which data. */
export function isSource(path: string): boolean {
  if (path === 'data.json' || path === 'capabilities.json') return true;
  const folders = path.split('/').slice(0, -1);
  const compiled = folders.every((folder) => !(NOT_COMPILED as readonly string[]).includes(folder));
  return compiled && path.endsWith('.rego') && !path.endsWith('_test.rego');
}

/** The digests of the sources as they are now. */
export async function sourceDigests(policies: string): Promise<{ [path: string]: string }> {
  const paths = (await readdir(policies, { recursive: true })).map((path) => path.split(sep).join('/'));
  const entries = await Promise.all(
    paths
      .filter(isSource)
      .sort()
      .map(async (path) => [path, sha256(await readFile(join(policies, path)))] as const),
  );
  return Object.fromEntries(entries);
}

export async function readDigests(policies: string): Promise<PolicyDigests> {
  return JSON.parse(await readFile(join(policies, 'module', 'digests.json'), 'utf8')) as PolicyDigests;
}

/** Sources below `policies` that are other than what the module was made from. @throws when one cannot be read. */
export async function stalePolicies(policies: string): Promise<string[]> {
  return staleSources(await readDigests(policies), await sourceDigests(policies));
}

/** What records name as the policy. Both arguments and the result are hex SHA-256. */
export function policyDigest(module: string, data: string): string {
  return sha256(`${module}\n${data}\n`);
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
