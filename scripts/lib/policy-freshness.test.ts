import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  isSource,
  policyDigest,
  sha256,
  sourceDigests,
  stalePolicies,
  staleSources,
} from './policy-freshness.ts';

describe('staleSources', () => {
  const sources = { 'a.rego': '1', 'data.json': '2' };

  it('finds nothing when all are the same', () => {
    expect(staleSources({ sources }, { ...sources })).toEqual([]);
  });

  it('names what was changed, added and taken away, sorted', () => {
    expect(staleSources({ sources }, { 'z.rego': '9', 'a.rego': '7' })).toEqual([
      'a.rego',
      'data.json',
      'z.rego',
    ]);
  });

  it('takes a source named like a member of Object for what it is', () => {
    expect(staleSources({ sources: {} }, { constructor: '1' } as never)).toEqual(['constructor']);
  });
});

it.each([
  ['authz.rego', true],
  ['data.json', true],
  ['capabilities.json', true],
  ['clinic/rules.rego', true],
  ['authz_test.rego', false],
  ['tests/helper.rego', false],
  ['clinic/tests/helper.rego', false],
  ['module/policy.wasm', false],
  ['schemas/input.json', false],
  ['tests/data.json', false],
  ['decisions.test.ts', false],
  ['README.md', false],
])('%s is compiled or loaded: %s', (path, compiled) => {
  expect(isSource(path)).toBe(compiled);
});

describe('on files', () => {
  let policies: string;
  beforeEach(async () => {
    policies = await mkdtemp(join(tmpdir(), 'mem0-governance-freshness-'));
    await mkdir(join(policies, 'module'));
    await mkdir(join(policies, 'clinic'));
    for (const path of ['authz.rego', 'authz_test.rego', 'data.json', 'clinic/rules.rego'])
      await writeFile(join(policies, path), path);
    const sources = await sourceDigests(policies);
    await writeFile(join(policies, 'module', 'digests.json'), JSON.stringify({ sources }));
  });
  afterEach(() => rm(policies, { recursive: true, force: true }));

  it('digests the bytes of what is compiled, in every folder', async () => {
    expect(await sourceDigests(policies)).toEqual({
      'authz.rego': sha256('authz.rego'),
      'clinic/rules.rego': sha256('clinic/rules.rego'),
      'data.json': sha256('data.json'),
    });
    expect(await stalePolicies(policies)).toEqual([]);
  });

  it('sees a comment, a new rule in a new folder and a missing file', async () => {
    await writeFile(join(policies, 'authz.rego'), 'authz.rego # note');
    await mkdir(join(policies, 'lab'));
    await writeFile(join(policies, 'lab', 'more.rego'), '');
    await rm(join(policies, 'data.json'));
    expect(await stalePolicies(policies)).toEqual(['authz.rego', 'data.json', 'lab/more.rego']);
  });

  it('overlooks tests and documents', async () => {
    await writeFile(join(policies, 'authz_test.rego'), 'other');
    await writeFile(join(policies, 'README.md'), 'other');
    expect(await stalePolicies(policies)).toEqual([]);
  });

  it('fails when there are no digests to compare with', async () => {
    await rm(join(policies, 'module', 'digests.json'));
    await expect(stalePolicies(policies)).rejects.toThrow('ENOENT');
  });
});

it('binds the policy digest to module and data alike', () => {
  const [a, b] = [sha256('a'), sha256('b')];
  expect(policyDigest(a, b)).toBe(sha256(`${a}\n${b}\n`));
  expect(policyDigest(a, b)).not.toBe(policyDigest(b, a));
});
