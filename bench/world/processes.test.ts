import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { cpuMs, inGroup, readTime, residentBytes } from './processes.ts';

it('tells what a process costs, from outside', async () => {
  const work =
    'const end = performance.now() + 400; while (performance.now() < end); process.send(0); setInterval(() => {}, 1e6)';
  const child = spawn(process.execPath, ['-e', work], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    await new Promise((resolve) => child.once('message', resolve));
    const pid = child.pid!;
    const used = cpuMs(pid);
    // It may have had to share its core.
    expect(used).toBeGreaterThan(50);
    expect(used).toBeLessThan(5000);
    expect(residentBytes(pid)).toBeGreaterThan(10 * 2 ** 20);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(cpuMs(pid) - used).toBeLessThan(100);
    expect(() => inGroup(pid, 'workerd')).toThrow('0 processes of workerd');
  } finally {
    child.kill('SIGKILL');
  }
});

it('says that a process which has ended holds nothing, whether somebody waited for it or not', async () => {
  // The shell becomes a program that never waits for its child.
  const parent = spawn('/bin/sh', ['-c', 'true & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (line) => resolve(Number(line))),
    );
    await expect.poll(() => residentBytes(pid)).toBe(0);
  } finally {
    parent.kill('SIGKILL');
  }
  await new Promise((resolve) => parent.once('exit', resolve));
  expect(residentBytes(parent.pid!)).toBe(0);
});

it('reads times as ps writes them', () => {
  expect(readTime('  0:00.42\n')).toBe(420);
  expect(readTime('12:03.50')).toBe(723_500);
  expect(readTime('01:02:03')).toBe(3_723_000);
  expect(readTime('2-00:00:01')).toBe(172_801_000);
});
