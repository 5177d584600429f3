import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { installKeycloak, keycloakHome } from './keycloak.ts';

// What is said on a machine that lacks something. That Keycloak runs is for `npm run test:keycloak` to see.

let dir: string;
let cache: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-keycloak-'));
  cache = join(dir, 'cache');
  await mkdir(join(dir, 'bin'));
  vi.stubEnv('PATH', join(dir, 'bin'));
  vi.stubEnv('JAVA_HOME', undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

/** A program of this name on PATH, which has nothing else. */
async function program(name: string, script: string): Promise<void> {
  const file = join(dir, 'bin', name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

const java = (version: string) => program('java', `echo 'openjdk version "${version}" 2025-04-15' >&2`);
const install = () => installKeycloak(cache, () => {});

it('asks for Java where there is none', async () => {
  await expect(install()).rejects.toThrow(
    /^Keycloak needs Java 17 or later and none was found: install a JDK/,
  );
});

it.each(['1.8.0_292', '11.0.2'])('asks for a newer Java than %s', async (version) => {
  await java(version);
  await expect(install()).rejects.toThrow(`and this is ${version}:`);
});

it('asks for Maven where there is none', async () => {
  await java('17.0.15');
  await expect(install()).rejects.toThrow(/^Maven was not found\. Install it/);
});

it('says in one line why Maven could not fetch it, and leaves nothing behind', async () => {
  await java('21');
  await program(
    'mvn',
    '[ "$1" = --version ] || { echo "[ERROR] no route to host"; echo "[ERROR] more"; exit 1; }',
  );
  await expect(install()).rejects.toThrow(/^Maven could not fetch .*\(\[ERROR\] no route to host\)\.$/);
  expect(await readdir(cache)).toEqual([]);
});

it('keeps no other archive than the pinned one', async () => {
  await java('17');
  const file = 'keycloak-quarkus-dist-26.7.0.tar.gz';
  await program(
    'mvn',
    `for arg; do case $arg in -DoutputDirectory=*) echo x > $(IFS==; set -- $arg; echo $2)/${file};; esac; done`,
  );
  await expect(install()).rejects.toThrow('is not the archive that is pinned here; it was not kept.');
  expect(await readdir(cache)).toEqual([]);
});

it('takes what is there without Maven', async () => {
  await java('17');
  await mkdir(keycloakHome(cache), { recursive: true });
  expect(await install()).toBe(keycloakHome(cache));
});
