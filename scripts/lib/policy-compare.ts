import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical, type Json } from '../../core/canonical.ts';
import { evaluatorOf } from '../../core/opa.ts';
import { run } from './run.ts';

type Input = { [name: string]: Json };

const CONTEXT: Json = {
  time: '2026-01-01T00:00:00.000Z',
  time_ms: 1_767_225_600_000,
  country: 'DE',
  tls: null,
  mfa: true,
};

/** Values that each field may hold: right ones first, repeated so that most inputs stay well-formed, then wrong ones. */
const FIELDS: { readonly [name: string]: readonly Json[] } = {
  action: ['read', 'write', 'delete', 'audit_read', 'admin', 'self', 'read', 'write', 'reset', '', 1, null],
  operation: ['oss.memories.get', 'oss.memories.get', 'oss.memories.get', 'oss.memories.get', '', 3],
  roles: [
    ['admin'],
    ['agent-writer'],
    ['agent-reader'],
    ['auditor'],
    ['admin', 'auditor'],
    ['auditor', 'agent-writer', 'agent-reader'],
    ['agent-reader', 'admin', 'agent-reader', 'owner'],
    [],
    ['owner'],
    ['constructor'],
    ['admin', 7],
    'admin',
    null,
  ],
  tenant: ['acme', 'acme', 'acme', 'acme', 'globex', '', 5],
  resource_tenant: ['acme', 'acme', 'acme', 'acme', 'globex', '', null],
  resource: ['memory /memories/{memory_id}', 'memory /memories', 'memory /memories', '', {}],
  context: [CONTEXT, CONTEXT, CONTEXT, CONTEXT, {}, { ...CONTEXT, mfa: 'true' }, 'x', null],
  grant: [null, null, null, null, null, {}, false],
};

/** One input in this many lacks a field. */
const LACKING = 10;

/** A small generator with a fixed seed, so that a difference can be seen again. In [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function inputs(count: number): Input[] {
  const draw = generator(20_260_101);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T;
  return Array.from({ length: count }, () => {
    const input: Input = {};
    for (const [name, values] of Object.entries(FIELDS)) input[name] = pick(values);
    if (draw() < 1 / LACKING) delete input[pick(Object.keys(input))];
    return input;
  });
}

/** Decides made-up inputs by the committed module and by OPA from the sources; the first difference, or ''. */
export async function differences(
  root: string,
  opa: string,
  sources: readonly string[],
  count: number,
): Promise<string> {
  const policies = join(root, 'policies');
  const decide = evaluatorOf(
    await WebAssembly.compile(await readFile(join(policies, 'module', 'policy.wasm'))),
    JSON.parse(await readFile(join(policies, 'data.json'), 'utf8')),
  );
  const made = inputs(count);
  const theirs = await evaluate(root, opa, [...sources, 'policies/data.json'], made);
  if (typeof theirs === 'string') return theirs;
  let allowed = 0;
  for (const [i, input] of made.entries()) {
    const [{ result }] = decide(input) as [{ result: { allow: boolean } & Json }];
    const expected = theirs.get(i);
    if (result.allow) allowed += 1;
    if (expected === undefined || canonical(result) !== canonical(expected)) {
      return `${JSON.stringify(input)}: the module says ${JSON.stringify(result)}, OPA ${JSON.stringify(expected)}`;
    }
  }
  if (allowed === 0 || allowed === count)
    return `${allowed} of ${count} inputs are allowed, which compares nothing`;
  return '';
}

/** OPA's own decisions by the number of the input, in one run; text says why there are none. */
async function evaluate(
  root: string,
  opa: string,
  files: readonly string[],
  made: readonly Input[],
): Promise<Map<number, Json> | string> {
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-compare-'));
  try {
    const file = join(dir, 'inputs.json');
    await writeFile(file, JSON.stringify({ made }));
    const data = [...files, file].flatMap((name) => ['-d', name]);
    const query = '[[i, d] | some i, one in data.made; d := data.mem0.authz.decision with input as one]';
    // The runtime's builtins and no others, so that a source that cannot be compiled is not evaluated either.
    const args = ['eval', '--capabilities', 'policies/capabilities.json', ...data, '-f', 'raw', query];
    const { code, stdout, stderr } = await run(opa, args, { cwd: root });
    if (code !== 0) return `opa eval: ${stderr.trim()}`;
    return new Map(JSON.parse(stdout) as [number, Json][]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
