import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPortFree } from '../../local/ports.ts';
import { shiftedPorts } from '../../local/stack/ports.ts';
import { clearState } from '../../local/stack/reset.ts';
import { type CodeBlock, codeBlocks } from '../../scripts/lib/documents.ts';

// The code blocks of the documents. Those marked `run` are run as they stand, on a stack that was started from a copy of
// the checkout; of the others every command and option exists, and every JSON value is one.

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const exec = promisify(execFile);
const LEFT_OUT = /^(?:\.git|\.local|\.cache|node_modules)$/;

const { stdout } = await exec('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: CHECKOUT,
});
const BLOCKS = stdout
  .trim()
  .split('\n')
  .flatMap((document) => codeBlocks(CHECKOUT, document));
const shell = BLOCKS.filter(({ language }) => language === 'sh' || language === 'bash');
const named = (block: CodeBlock) => [`${block.document}:${block.line}`, block] as const;

describe('every block', () => {
  it.each(shell.map(named))('%s is a script', async (_place, { code }) => {
    await exec('bash', ['-n', '-c', code]);
  });

  it.each(BLOCKS.filter(({ language }) => language === 'json').map(named))(
    '%s is JSON, or a part of it',
    (_place, { code }) => {
      const text = code.trim().replace(/,$/, '');
      expect(() => JSON.parse(/^["]/.test(text) ? `{${text}}` : text)).not.toThrow();
    },
  );

  it('names commands and options that there are', async () => {
    const { scripts } = JSON.parse(await readFile(join(CHECKOUT, 'package.json'), 'utf8'));
    const help = new Map<string, string>();
    for (const { code, document, line } of shell) {
      for (const [, name, options = ''] of code.matchAll(
        /\bnpm run (?:-s )?([a-z:-]+)(?: -- ([^|\n)"]*))?/g,
      )) {
        expect(scripts, `${document}:${line}`).toHaveProperty([name!]);
        for (const [option] of options.matchAll(/--[a-z-]+/g)) {
          if (!help.has(name!)) help.set(name!, await helpOf(scripts[name!]));
          expect(help.get(name!), `${document}:${line} ${name}`).toContain(option);
        }
      }
    }
  });
});

async function helpOf(script: string): Promise<string> {
  const [, command] = /scripts\/run\.cjs ([a-z-]+)$/.exec(script) ?? [];
  expect(command, script).toBeDefined();
  const argv = [join(CHECKOUT, 'scripts/run.cjs'), command!, '--help'];
  return (await exec(process.execPath, argv)).stdout;
}

describe('run on a local stack', () => {
  let root: string;
  let offset: number;
  let stack: ChildProcess;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mem0-governance-documents-'));
    await cp(CHECKOUT, root, {
      recursive: true,
      filter: (source) => !LEFT_OUT.test(source.slice(CHECKOUT.length)),
    });
    await symlink(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'));
    const free = async () =>
      (await Promise.all(Object.values(shiftedPorts(offset)).map(isPortFree))).every(Boolean);
    do offset = 1000 + Math.floor(Math.random() * 20_000);
    while (!(await free()));
    const argv = [join(root, 'scripts/run.cjs'), 'start', '--offset', String(offset)];
    stack = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    stack.stderr!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    for (const until = Date.now() + 60_000; !said.includes('Ready in'); ) {
      if (stack.exitCode !== null || Date.now() > until) throw new Error(said);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  afterAll(async () => {
    if (stack?.exitCode === null) {
      stack.kill('SIGTERM');
      await once(stack, 'exit');
    }
    await clearState(root);
    await rm(root, { recursive: true, force: true });
  });

  const runnable = shell.filter(({ words }) => words[0] === 'run');
  const documents = [...new Set(runnable.map(({ document }) => document))];

  it('there are some', () => {
    expect(documents).toEqual(
      expect.arrayContaining(['README.md', 'docs/audit.md', 'docs/troubleshooting.md']),
    );
  });

  it.each(documents)('%s', async (document) => {
    const blocks = runnable.filter((block) => block.document === document);
    // Every answer's status goes to standard error, where nothing in a block reads it.
    const script = [
      'set -euo pipefail',
      `here() { local program=$1; shift; command "$program" "\${@//localhost:9000/localhost:${9000 + offset}}"; }`,
      'curl() { here curl "$@" -w \'%{stderr}status %{http_code}\\n\'; }',
      'npm() { here npm "$@"; }',
      ...blocks.flatMap(({ code }, at) => [`echo "block ${at}" >&2`, code]),
    ].join('\n');
    const { stderr, stdout: out } = await exec('bash', ['-c', script], { cwd: root });
    const said = stderr.split(/^block \d+$/m).slice(1);
    expect(said).toHaveLength(blocks.length);
    for (const [at, { words, line, code }] of blocks.entries()) {
      // A block that asks nothing over HTTP has only to succeed.
      const expected = /\bcurl\b/.test(code) ? [words[1] ?? '200'] : [];
      const statuses = [...said[at]!.matchAll(/^status (\d+)$/gm)].map(([, status]) => status);
      expect(new Set(statuses), `${document}:${line}\n${stderr}`).toEqual(new Set(expected));
    }
    expect(out).not.toBe('');
    if (document !== 'docs/audit.md') return;
    // The leaf hash that the page shows, and the one that it lets the reader compute.
    const hashes = [...out.matchAll(/(?:^|\})([0-9a-f]{64})(?: {2}-)?$/gm)].map(([, hash]) => hash);
    expect(hashes).toHaveLength(2);
    expect(hashes[0]).toBe(hashes[1]);
  });
});
