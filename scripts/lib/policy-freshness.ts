import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the committed module was made from; `policies/module/digests.json`. All digests are hex SHA-256. */
export interface PolicyDigests {
  /** Of module and data together: named in every record as the policy that decided. */
  readonly policy: string;
  readonly module: string;
  /** By path below `policies/`: Rego sources, data and capabilities. */
  readonly sources: { readonly [path: string]: string };
  readonly opa: string;
  readonly flags: readonly string[];
}

/** Paths below `policies/` that are other than what the module was made from: changed, added or gone. */
export function staleSources(
  digests: Pick<PolicyDigests, 'sources'>,
  sources: { readonly [path: string]: string },
): string[] {
  const paths = new Set([...Object.keys(digests.sources), ...Object.keys(sources)]);
  return [...paths].filter((path) => digests.sources[path] !== sources[path]).sort();
}

/** The digests of the sources as they are now: everything that decides what is compiled, or with which data. */
export async function sourceDigests(policies: string): Promise<{ [path: string]: string }> {
  const names = await readdir(policies);
  const sources = names.filter(
    (name) => name.endsWith('.rego') || name === 'data.json' || name === 'capabilities.json',
  );
  const entries = await Promise.all(
    sources.sort().map(async (name) => [name, sha256(await readFile(join(policies, name)))] as const),
  );
  return Object.fromEntries(entries);
}

export async function readDigests(policies: string): Promise<PolicyDigests> {
  return JSON.parse(await readFile(join(policies, 'module', 'digests.json'), 'utf8')) as PolicyDigests;
}

/** Sources that are newer than the module below `policies`. */
export async function stalePolicies(policies: string): Promise<string[]> {
  return staleSources(await readDigests(policies), await sourceDigests(policies));
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
