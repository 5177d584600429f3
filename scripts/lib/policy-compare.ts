import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical, type Json } from '../../core/canonical.ts';
import { loadPolicySync } from '../../core/opa.ts';
import { run } from './opa.ts';

/** Values that a field may hold, right ones and wrong ones. */
const ACTIONS: readonly Json[] = [
  'read',
  'write',
  'delete',
  'audit_read',
  'admin',
  'self',
  'reset',
  '',
  1,
  null,
];
const ROLE_LISTS: readonly Json[] = [
  ['admin'],
  ['agent-writer'],
  ['agent-reader'],
  ['auditor'],
  ['admin', 'auditor'],
  ['auditor', 'agent-writer', 'agent-reader'],
  [],
  ['owner'],
  ['constructor'],
  ['admin', 7],
  'admin',
  null,
];
const TENANTS: readonly Json[] = ['acme', 'acme', 'globex', '', 5];

/** A small generator with a fixed seed, so that a difference can be seen again. */
function* random(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

function inputs(count: number): { [name: string]: Json }[] {
  const draw = random(20_260_101);
  const pick = (from: readonly Json[]): Json =>
    from[Math.floor((draw.next().value as number) * from.length)] as Json;
  return Array.from({ length: count }, () => {
    const input: { [name: string]: Json } = {
      action: pick(ACTIONS),
      operation: 'oss.memories.get',
      roles: pick(ROLE_LISTS),
      tenant: pick(TENANTS),
      resource_tenant: pick(TENANTS),
      resource: 'memory /memories/{memory_id}',
    };
    if ((draw.next().value as number) < 0.1) delete input[pick(Object.keys(input)) as string];
    return input;
  });
}

/** Evaluations that run at a time, each a process of its own. */
const PARALLEL = 4;

/** Decides made-up inputs by the committed module and by OPA from the sources; the first difference, or ''. */
export async function differences(root: string, opa: string, count: number): Promise<string> {
  const policies = join(root, 'policies');
  const policy = loadPolicySync(
    await WebAssembly.compile(await readFile(join(policies, 'module', 'policy.wasm'))),
  );
  policy.setData(JSON.parse(await readFile(join(policies, 'data.json'), 'utf8')));
  const rego = (await readdir(policies)).filter((name) => name.endsWith('.rego') || name === 'data.json');
  const data = rego.flatMap((name) => ['-d', join('policies', name)]);
  const dir = await mkdtemp(join(tmpdir(), 'mem0-governance-compare-'));
  const compare = async (input: { [name: string]: Json }, i: number): Promise<string> => {
    const file = join(dir, `${i}.json`);
    await writeFile(file, JSON.stringify(input));
    // One process an input: over several in one query, OPA keeps what it found for an earlier one.
    const args = ['eval', ...data, '-i', file, '-f', 'raw', 'data.mem0.authz.decision'];
    const { code, stdout, stderr } = await run(opa, args, { cwd: root });
    if (code !== 0) return `opa eval: ${stderr.trim()}`;
    const [{ result }] = policy.evaluate(input) as [{ result: Json }];
    if (canonical(result) === canonical(JSON.parse(stdout) as Json)) return '';
    return `${JSON.stringify(input)}: the module says ${JSON.stringify(result)}, OPA ${stdout.trim()}`;
  };
  try {
    const all = inputs(count);
    for (let at = 0; at < all.length; at += PARALLEL) {
      const found = await Promise.all(all.slice(at, at + PARALLEL).map((input, i) => compare(input, at + i)));
      const difference = found.find((text) => text !== '');
      if (difference !== undefined) return difference;
    }
    return '';
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
