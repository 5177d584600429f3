import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError, command } from '../lib/command.ts';
import { findOpa } from '../lib/opa.ts';
import { buildPolicy, checkPolicy, digestsText } from '../lib/policy-build.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run policy:build --',
  summary:
    'Checks policies/*.rego, compiles them to policies/module/policy.wasm and writes the digests of what it was made from.',
  run: async (_values, _positionals, io) => {
    const opa = await findOpa(root, io.note);
    const wrong = await checkPolicy(root, opa);
    if (wrong !== '') throw new CommandError(`Nothing was built:\n${wrong}`);
    const { module, digests } = await buildPolicy(root, opa);
    const dir = join(root, 'policies', 'module');
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'policy.wasm'), module);
    await writeFile(join(dir, 'digests.json'), digestsText(digests));
    if (io.json) io.out(JSON.stringify(digests));
    else io.out(`policies/module/policy.wasm: ${module.length} bytes, policy ${digests.policy}`);
    return 0;
  },
});
