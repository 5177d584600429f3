import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What is wrong with the tenants' documents of a checkout, as sentences: each must say the environment that its name
 * says, so that a bundle with another environment's document never starts.
 */
export async function misplacedTenants(root: string): Promise<string[]> {
  const folder = join(root, 'config');
  const names = (await readdir(folder)).filter((name) => /^tenants\..+\.json$/.test(name));
  const problems = await Promise.all(
    names.sort().map(async (name) => {
      const environment = name.slice('tenants.'.length, -'.json'.length);
      const said = environmentOf(await readFile(join(folder, name), 'utf8'));
      return said === environment ? [] : [`config/${name} does not say "environment": "${environment}"`];
    }),
  );
  return problems.flat();
}

function environmentOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { environment?: unknown } | null)?.environment;
  } catch {
    return undefined;
  }
}
