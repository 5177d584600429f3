import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { findOpa } from '../lib/opa.ts';
import { buildPolicy, checkPolicy, digestsText, regoSources } from '../lib/policy-build.ts';
import { differences } from '../lib/policy-compare.ts';
import { run } from '../lib/run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const policies = join(root, 'policies');

/** The tests, with their table as data. */
const TESTED = [
  'policies',
  ...['module', 'schemas', 'capabilities.json'].flatMap((name) => ['--ignore', name]),
];
const MIN_COVERAGE = 95;
/** How many made-up inputs the module and OPA itself are compared on. */
const COMPARED = 2000;

interface Step {
  readonly name: string;
  readonly remedy: string;
  /** What is wrong; empty when nothing is. */
  readonly look: (opa: string) => Promise<string>;
}

const STEPS: readonly Step[] = [
  {
    name: 'format',
    remedy: 'Run `opa fmt -w policies`.',
    look: async (opa) => failure(await run(opa, ['fmt', '--list', '--fail', 'policies'], { cwd: root })),
  },
  {
    name: 'strict, against the input schema',
    remedy: 'Mend what OPA says.',
    look: (opa) => checkPolicy(root, opa),
  },
  {
    name: `tests, coverage of at least ${MIN_COVERAGE} %`,
    remedy: 'Mend the tests in policies/tests/, or cover the rule.',
    look: async (opa) => {
      const tests = await run(opa, ['test', ...TESTED], { cwd: root });
      if (tests.code !== 0) return failure(tests);
      const covered = await run(opa, ['test', ...TESTED, '--coverage'], { cwd: root });
      return failure(covered) || thinlyCovered(covered.stdout);
    },
  },
  {
    name: 'the module is what the sources compile to, byte for byte',
    remedy: 'Run `npm run policy:build` and commit policies/module/.',
    look: async (opa) => {
      const built = await buildPolicy(root, opa);
      const module = await readFile(join(policies, 'module', 'policy.wasm'));
      const digests = await readFile(join(policies, 'module', 'digests.json'), 'utf8');
      if (!built.module.equals(module))
        return 'policies/module/policy.wasm is other than the sources compile to';
      return digests === digestsText(built.digests) ? '' : 'policies/module/digests.json is stale';
    },
  },
  {
    name: `the module decides as OPA does, on ${COMPARED} inputs`,
    remedy: 'Look at the input that is shown: the compiler or the runtime changes a meaning.',
    look: async (opa) => differences(root, opa, await regoSources(root), COMPARED),
  },
];

interface CoveredFile {
  readonly coverage: number;
  readonly not_covered?: readonly { readonly start: { readonly row: number } }[];
}

/** OPA's own threshold is on the total, which tests lift by covering themselves; here each compiled file counts. */
function thinlyCovered(report: string): string {
  const { files } = JSON.parse(report) as { files: { [path: string]: CoveredFile } };
  const sources = Object.entries(files).filter(([path]) => !path.endsWith('_test.rego'));
  if (sources.length === 0) return 'no source is covered';
  return sources
    .filter(([, { coverage }]) => coverage < MIN_COVERAGE)
    .map(([path, { coverage, not_covered = [] }]) => {
      const rows = [...new Set(not_covered.map(({ start }) => start.row))].join(', ');
      return `${path}: ${Math.floor(coverage)} % is covered; no test reaches line ${rows}`;
    })
    .join('\n');
}

function failure({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): string {
  return code === 0 ? '' : (stdout + stderr).trim() || `exit code ${code}`;
}

await command({
  usage: 'npm run policy:check --',
  summary:
    'Checks the policies with OPA: format, strictness, schema, tests with coverage, and that the committed module is exactly what they compile to.',
  run: async (_values, _positionals, io) => {
    const opa = await findOpa(root, io.note);
    const results: { name: string; ok: boolean; wrong?: string }[] = [];
    for (const { name, remedy, look } of STEPS) {
      const wrong = await look(opa).catch((error: unknown) => {
        if (error instanceof CommandError) return error.message;
        throw error;
      });
      results.push(wrong === '' ? { name, ok: true } : { name, ok: false, wrong });
      io.note(wrong === '' ? `ok     ${name}` : `FAILED ${name}\n${wrong}\n       ${remedy}`);
    }
    if (io.json) io.out(JSON.stringify(results));
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});
