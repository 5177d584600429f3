import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from '../lib/command.ts';

interface Check {
  readonly name: string;
  readonly argv: readonly string[];
  /** What to do when it fails. */
  readonly remedy: string;
}

const MAX_BUNDLE_BYTES = 3 * 1024 * 1024;

const CHECKS: readonly Check[] = [
  {
    name: 'generated types',
    argv: ['wrangler', 'types', '--include-runtime=false', '--check'],
    remedy: 'Run `npm run types`.',
  },
  { name: 'types of the Worker', argv: ['tsc', '-p', 'tsconfig.json'], remedy: 'Mend the type errors.' },
  { name: 'types of the tools', argv: ['tsc', '-p', 'tsconfig.node.json'], remedy: 'Mend the type errors.' },
  {
    name: 'lint, format, import rules',
    argv: ['biome', 'ci', '--colors=off', '--error-on-warnings', '.'],
    remedy: 'Run `npx biome check --write .`.',
  },
  { name: 'lock file', argv: ['node', 'scripts/run.cjs', 'lock', '--check'], remedy: 'Run `npm run lock`.' },
  { name: 'dead code', argv: ['knip'], remedy: 'Remove what nothing uses.' },
  { name: 'secrets', argv: ['secretlint', '**/*'], remedy: 'Take the secret out, and change it.' },
];

/** Runs one tool from node_modules/.bin, which npm puts on the PATH. */
function run(argv: readonly string[]): Promise<{ code: number; output: string }> {
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
async function bundle(): Promise<{ code: number; output: string }> {
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
    'Checks types, lint, format, import rules, dead code, secrets, generated types and the production bundle.',
  run: async (_values, _positionals, io) => {
    const results: { name: string; ok: boolean }[] = [];
    const report = (name: string, remedy: string, { code, output }: { code: number; output: string }) => {
      results.push({ name, ok: code === 0 });
      io.note(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`);
      if (code !== 0) io.note(`${output.trim()}\n       ${remedy}`);
    };
    for (const { name, argv, remedy } of CHECKS) report(name, remedy, await run(argv));
    report('production bundle', 'Run `npx wrangler deploy --dry-run` and mend what it says.', await bundle());
    if (io.json) io.out(JSON.stringify(results));
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});
