import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deadEnds } from './documents.ts';
import { unacceptable } from './licences.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mem0-governance-documents-'));
  await mkdir(join(root, 'docs'));
  await writeFile(join(root, 'README.md'), '# Top\n## Two words, and `code`\n## Again\n## Again\n');
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function dead(text: string): Promise<string[]> {
  await writeFile(join(root, 'docs', 'a.md'), text);
  return deadEnds(root, ['docs/a.md']).map(({ line, text: what }) => `${line} ${what}`);
}

it.each([
  '[a](../README.md) [b](../README.md#top) [c](../README.md#two-words-and-code) [d](../README.md#again-1)',
  '[own](#here)\n# Here',
  '[page](https://example.com/x#y) [mail](mailto:security@example.com)',
  '```md\n[none](none.md) `docs/none.md`\n```',
  '`docs/a.md`, `docs/a.md#anything`, `a.md`, `elsewhere/x.ts`',
])('leads somewhere: %j', async (text) => {
  expect(await dead(text)).toEqual([]);
});

it.each([
  ['[a](none.md)', '1 none.md'],
  ['x\n\n[a](../README.md#nowhere)', '3 ../README.md#nowhere'],
  ['[a](#nowhere)', '1 #nowhere'],
  ['[a](http://example.com)', '1 http://example.com'],
  ['[a](../../etc/passwd)', '1 ../../etc/passwd'],
  ['```\n```\n`worker/none.ts`', '3 worker/none.ts'],
])('leads nowhere: %j', async (text, fault) => {
  expect(await dead(text)).toEqual([fault]);
});

it('holds what is deployed to permissive licences, and tools to known ones', () => {
  const packages = {
    '': { license: 'GPL-3.0-only' },
    'node_modules/a': { version: '1', license: 'MIT' },
    'node_modules/b': { version: '2', license: '(GPL-2.0-only OR MIT)' },
    'node_modules/c': { version: '3', license: 'MIT AND LGPL-3.0-or-later', dev: true },
    'node_modules/d': { version: '4', license: 'MPL-2.0' },
    'node_modules/a/node_modules/e': { version: '5' },
    'node_modules/f': { version: '6', license: 'AGPL-3.0-only', dev: true },
    'node_modules/g-darwin': { version: '7', os: ['darwin'] },
    'node_modules/h': { version: '8', license: 'MIT AND GPL-3.0-only', dev: true },
  };
  expect(unacceptable({ packages })).toEqual([
    'd 4: MPL-2.0',
    'e 5: no licence stated',
    'f 6: AGPL-3.0-only',
    'h 8: MIT AND GPL-3.0-only',
  ]);
});
