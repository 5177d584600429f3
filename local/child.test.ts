import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Child, startChild } from './child.ts';
import { startedAt } from './process.ts';

const env = { PATH: process.env.PATH };
const node = (code: string): readonly [string, ...string[]] => [process.execPath, '-e', code];
/** Prints its pid and a child's; both ignore every polite request. */
const STUBBORN = `
  const ignore = "for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => {}); setInterval(() => {}, 1000);";
  const child = require('node:child_process').spawn(process.execPath, ['-e', ignore + "console.log('ready')"], { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.once('data', () => console.log('pids', process.pid, child.pid));
  eval(ignore);
`;

function start(argv: readonly [string, ...string[]], graceMs = 200) {
  let found: (pids: number[]) => void = () => {};
  const pids = new Promise<number[]>((resolve) => {
    found = resolve;
  });
  const child = startChild({
    argv,
    env,
    graceMs,
    onLine: (line) => {
      if (line.startsWith('pids ')) found(line.split(' ').slice(1).map(Number));
    },
  });
  return { child, pids };
}

async function gone(pids: readonly number[], withinMs = 5000): Promise<boolean> {
  for (const until = Date.now() + withinMs; Date.now() < until; ) {
    if (pids.every((pid) => startedAt(pid) === undefined)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

test('reports how the process ended, and every line that it wrote', async () => {
  const lines: string[] = [];
  const child = startChild({
    argv: node("console.log('one'); console.error('two'); process.exitCode = 7"),
    env,
    onLine: (line) => lines.push(line),
  });
  expect(await child.exited).toEqual({ code: 7, signal: null });
  expect(lines.sort()).toEqual(['one', 'two']);
});

test('reports a program that cannot be started', async () => {
  const child = startChild({ argv: ['/no/such/program'], env, onLine: () => {} });
  expect((await child.exited).error).toMatch(/ENOENT/);
});

test('gives the process no environment but the one named', async () => {
  process.env.MEM0_GOVERNANCE_PROBE = 'leaked';
  const lines: string[] = [];
  const child = startChild({
    argv: node(
      'console.log(process.env.GIVEN, process.env.MEM0_GOVERNANCE_PROBE, process.env.NODE_CHANNEL_FD)',
    ),
    env: { ...env, GIVEN: 'given' },
    onLine: (line) => lines.push(line),
  });
  await child.exited;
  delete process.env.MEM0_GOVERNANCE_PROBE;
  expect(lines).toEqual(['given undefined undefined']);
});

test('a process that ends leaves nothing of its group behind', async () => {
  const { child, pids } = start(
    node(STUBBORN.replace('eval(ignore)', "process.on('SIGUSR1', () => process.exit(3))")),
  );
  const [self, grandchild] = (await pids) as [number, number];
  process.kill(self, 'SIGUSR1');
  expect(await child.exited).toEqual({ code: 3, signal: null });
  expect(await gone([grandchild])).toBe(true);
});

const ENDINGS: readonly (readonly [string, (child: Child) => unknown])[] = [
  ['stopping it', (child) => child.stop()],
  ['killing it', (child) => child.kill()],
  ['killing its supervisor alone', (child) => process.kill(child.pid, 'SIGKILL')],
  ['stopping it twice', (child) => Promise.all([child.stop(), child.stop()])],
];
for (const [name, end] of ENDINGS) {
  test(`${name} ends the process and its children, although they ignore signals`, async () => {
    const { child, pids } = start(node(STUBBORN));
    const all = await pids;
    await end(child);
    await child.exited;
    expect(await gone(all)).toBe(true);
  });
}

test('kill -9 of the process that started it ends it too', async () => {
  const childModule = fileURLToPath(new URL('./child.ts', import.meta.url));
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { startChild } from ${JSON.stringify(childModule)};
       startChild({ argv: ${JSON.stringify(node(STUBBORN))}, env: process.env, graceMs: 200, onLine: (line) => console.log(line) });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
  const pids = line.split(' ').slice(1).map(Number);
  expect(pids.map(startedAt)).not.toContain(undefined);
  parent.kill('SIGKILL');
  expect(await gone(pids)).toBe(true);
});
