import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../lib/command.ts';
import { deadEnds } from '../lib/documents.ts';
import { unacceptable } from '../lib/licences.ts';

interface Finding {
  readonly code: number;
  readonly output: string;
}

interface Check {
  readonly name: string;
  /** A tool and its arguments, or a check of our own. */
  readonly run: readonly string[] | (() => Finding | Promise<Finding>);
  /** What to do when it fails. */
  readonly remedy: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_BUNDLE_BYTES = 3 * 1024 * 1024;

const CHECKS: readonly Check[] = [
  {
    name: 'generated types',
    run: ['wrangler', 'types', '--include-runtime=false', '--check'],
    remedy: 'Run `npm run types`.',
  },
  { name: 'types of the Worker', run: ['tsc', '-p', 'tsconfig.json'], remedy: 'Mend the type errors.' },
  { name: 'types of the tools', run: ['tsc', '-p', 'tsconfig.node.json'], remedy: 'Mend the type errors.' },
  {
    name: 'lint, format, import rules',
    run: ['biome', 'ci', '--colors=off', '--error-on-warnings', '.'],
    remedy: 'Run `npx biome check --write .`.',
  },
  { name: 'lock file', run: ['node', 'scripts/run.cjs', 'lock', '--check'], remedy: 'Run `npm run lock`.' },
  {
    name: 'licences',
    run: licences,
    remedy: 'Take the package out, or decide on its licence in scripts/lib/licences.ts.',
  },
  { name: 'dead code', run: ['knip'], remedy: 'Remove what nothing uses.' },
  { name: 'secrets', run: ['secretlint', '**/*'], remedy: 'Take the secret out, and change it.' },
  {
    name: 'generated documents',
    run: ['vitest', 'run', '--project', 'unit', 'docs'],
    remedy: 'Run `npm run docs`.',
  },
  { name: 'links in documents', run: links, remedy: 'Point them at what is there.' },
  {
    name: 'production bundle',
    run: bundle,
    remedy: 'Run `npx wrangler deploy --dry-run` and mend what it says.',
  },
];

async function licences(): Promise<Finding> {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  return finding(unacceptable(lock));
}

/** Of the documents that git knows, or would. */
async function links(): Promise<Finding> {
  const listed = await run(['git', 'ls-files', '--cached', '--others', '--exclude-standard', '*.md']);
  if (listed.code !== 0) return listed;
  const documents = listed.output.trim().split('\n');
  return finding(deadEnds(ROOT, documents).map(({ document, line, text }) => `${document}:${line}: ${text}`));
}

function finding(faults: readonly string[]): Finding {
  return { code: faults.length === 0 ? 0 : 1, output: faults.join('\n') };
}

/** Runs one tool from node_modules/.bin, which npm puts on the PATH. */
function run(argv: readonly string[]): Promise<Finding> {
  return new Promise((resolve) => {
    const child = spawn(argv[0] as string, argv.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1', NO_COLOR: '1' },
    });
    let output = '';
    const add = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The production bundle builds, and stays small enough for every plan. */
async function bundle(): Promise<Finding> {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-bundle-'));
  try {
    const built = await run(['wrangler', 'deploy', '--dry-run', '--env=', '--outdir', dir]);
    if (built.code !== 0 || /\bWARNING\b/.test(built.output)) return { code: 1, output: built.output };
    const { size } = await stat(join(dir, 'index.js'));
    const output = `index.js has ${size} bytes, at most ${MAX_BUNDLE_BYTES} are allowed`;
    return { code: size > MAX_BUNDLE_BYTES ? 1 : 0, output };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

await command({
  usage: 'npm run check --',
  summary:
    'Checks types, lint, format, import rules, licences, dead code, secrets, generated files, links in documents and the production bundle.',
  run: async (_values, _positionals, io) => {
    const results: { name: string; ok: boolean }[] = [];
    for (const { name, run: what, remedy } of CHECKS) {
      const { code, output } = typeof what === 'function' ? await what() : await run(what);
      results.push({ name, ok: code === 0 });
      io.note(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`);
      if (code !== 0) io.note(`${output.trim()}\n       ${remedy}`);
    }
    if (io.json) io.out(JSON.stringify(results));
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});
