import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../lib/command.ts';
import { findOpa } from '../lib/opa.ts';
import { buildPolicy, digestsText } from '../lib/policy-build.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

await command({
  usage: 'npm run policy:build --',
  summary:
    'Compiles policies/*.rego to policies/module/policy.wasm and writes the digests of what it was made from.',
  run: async (_values, _positionals, io) => {
    const opa = await findOpa(root, io.note);
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
