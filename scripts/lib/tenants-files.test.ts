import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { misplacedTenants } from './tenants-files.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-tenants-files-'));
  await mkdir(join(root, 'config'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it('names every document that is not that of its environment', async () => {
  const write = (name: string, text: string) => writeFile(join(root, 'config', name), text);
  await write('tenants.dev.json', '{"environment":"dev","tenants":{}}');
  await write('tenants.production.json', '{"environment":"dev","tenants":{}}');
  await write('tenants.staging.json', 'null');
  await write('tenants.test.json', '{');
  await write('other.json', '{');
  expect(await misplacedTenants(root)).toEqual([
    'config/tenants.production.json does not say "environment": "production"',
    'config/tenants.staging.json does not say "environment": "staging"',
    'config/tenants.test.json does not say "environment": "test"',
  ]);
});

it('finds none in this checkout', async () => {
  expect(await misplacedTenants(fileURLToPath(new URL('../..', import.meta.url)))).toEqual([]);
});
