import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from './lib/command.ts';
import { findOpa, run } from './lib/opa.ts';
import { buildPolicy, digestsText } from './lib/policy-build.ts';
import { differences } from './lib/policy-compare.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const policies = join(root, 'policies');
const SOURCES = ['policies/deny_by_default.rego', 'policies/role_based_access.rego'];
const TESTED = [
  'policies',
  '--ignore',
  'module',
  '--ignore',
  'schemas',
  '--ignore',
  'capabilities.json',
  '--ignore',
  'decisions.json',
];
const MIN_COVERAGE = 95;
/** How many made-up inputs the module and OPA itself are compared on. */
const COMPARED = 200;

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
    look: async (opa) => {
      const args = ['check', '--strict', '--schema', 'policies/schemas/input.json'];
      return failure(
        await run(opa, [...args, '--capabilities', 'policies/capabilities.json', ...SOURCES], { cwd: root }),
      );
    },
  },
  {
    name: `tests, coverage of at least ${MIN_COVERAGE} %`,
    remedy: 'Mend the tests in policies/tests/, or cover the rule.',
    look: async (opa) => {
      const tests = await run(opa, ['test', ...TESTED], { cwd: root });
      if (tests.code !== 0) return failure(tests);
      const args = ['test', ...TESTED, '--coverage', '--threshold', String(MIN_COVERAGE)];
      const covered = await run(opa, args, { cwd: root });
      return covered.code === 0 ? '' : `less than ${MIN_COVERAGE} % is covered`;
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
    look: (opa) => differences(root, opa, COMPARED),
  },
];

function failure({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): string {
  return code === 0 ? '' : (stdout + stderr).trim() || `exit code ${code}`;
}

await command({
  usage: 'npm run policy:check --',
  summary:
    'Checks the policies with OPA: format, strictness, schema, tests with coverage, and that the committed module is exactly what they compile to.',
  run: async (_values, _positionals, io) => {
    const opa = await findOpa(root, io.note);
    const results: { name: string; ok: boolean }[] = [];
    for (const { name, remedy, look } of STEPS) {
      const wrong = await look(opa);
      results.push({ name, ok: wrong === '' });
      io.note(wrong === '' ? `ok     ${name}` : `FAILED ${name}\n${wrong}\n       ${remedy}`);
    }
    if (io.json) io.out(JSON.stringify(results));
    return results.every(({ ok }) => ok) ? 0 : 1;
  },
});
