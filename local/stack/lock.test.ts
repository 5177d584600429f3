import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startedAt } from '../process.ts';
import { lockHolder, takeLock } from './lock.ts';

let dir: string;
let count = 0;
/** A lock, with `text` in the file that counts. */
async function fresh(text?: string): Promise<string> {
  const lock = join(dir, `lock-${count++}`);
  await mkdir(lock);
  if (text !== undefined) await writeFile(join(lock, '3'), text);
  return lock;
}
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mem0-governance-lock-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('a lock is taken once, and again when it was released', async () => {
  const file = await fresh();
  const first = await takeLock(file);
  expect(first).toMatchObject({ ok: true, stale: false });
  expect(await takeLock(file)).toEqual({
    ok: false,
    holder: { pid: process.pid, started: startedAt(process.pid) },
  });
  expect(await lockHolder(file)).toMatchObject({ pid: process.pid });
  if (first.ok) await first.release();
  expect(await lockHolder(file)).toBeUndefined();
  expect(await takeLock(file)).toMatchObject({ ok: true, stale: false });
});

test('the lock of a process that has ended is taken over', async () => {
  const ended = spawn(process.execPath, ['-e', '']);
  const started = startedAt(ended.pid as number);
  await once(ended, 'exit');
  const file = await fresh(JSON.stringify({ pid: ended.pid, started }));
  expect(await takeLock(file)).toMatchObject({ ok: true, stale: true });
  expect(await lockHolder(file)).toMatchObject({ pid: process.pid });
  expect(await readdir(file)).toEqual(['4']);
});

test('a pid that was given again to another process holds nothing', async () => {
  const file = await fresh(JSON.stringify({ pid: process.pid, started: 'at another time' }));
  expect(await lockHolder(file)).toBeUndefined();
  expect(await takeLock(file)).toMatchObject({ ok: true, stale: true });
});

test.each(['', '{', 'null', '[]', '{"pid":"1","started":"1"}', '{"pid":1}'])(
  'a damaged lock (%j) is stale',
  async (text) => {
    const file = await fresh(text);
    expect(await takeLock(file)).toMatchObject({ ok: true, stale: true });
  },
);

test.each([undefined, '{}', '"released"'])(
  'of many that take a lock (%s) at once, one gets it',
  async (text) => {
    for (let round = 0; round < 20; round++) {
      const file = await fresh(text);
      const results = await Promise.all(Array.from({ length: 8 }, () => takeLock(file)));
      expect(results.filter(({ ok }) => ok)).toHaveLength(1);
      expect(await lockHolder(file)).toMatchObject({ pid: process.pid });
      expect(await readdir(file)).toHaveLength(1);
    }
  },
);

test('at no time do two hold a lock that many take and release', async () => {
  const file = await fresh('{}');
  let holders = 0;
  let taken = 0;
  const worker = async () => {
    for (let turn = 0; turn < 40; turn++) {
      const lock = await takeLock(file);
      if (!lock.ok) continue;
      taken++;
      expect(++holders).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, turn % 3));
      holders--;
      await lock.release();
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  expect(taken).toBeGreaterThan(6);
});

test('releasing a lock whose folder was removed is no error', async () => {
  const file = await fresh();
  const lock = await takeLock(file);
  await rm(file, { recursive: true });
  if (lock.ok) await lock.release();
  expect(await lockHolder(file)).toBeUndefined();
});
