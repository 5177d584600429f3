import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../../local/wrangler/bundle.ts';
import { FOLDER } from '../results.ts';
import { ACTORS, type Scenario } from '../scenarios.ts';
import { align } from '../summary.ts';
import { cpuMs } from '../world/processes.ts';
import { jobOf, type World } from '../world/world.ts';
import { flameGraph } from './flame.ts';
import { type Cost, filesOf, framesOf, functionsOf, sourcesOf } from './frames.ts';
import { profiled } from './inspector.ts';

export interface ProfileOptions {
  readonly scenario: Scenario;
  readonly connections: number;
  readonly durationMs: number;
  /** Where V8's inspector of the gateway listens. */
  readonly inspectorPort: number;
}

const SHOWN = 25;

/**
 * Profiles the gateway's JavaScript under the load of a scenario. Writes a `.cpuprofile`, which every browser's tools
 * read, and a flame graph; returns both files and the costliest functions and files as lines for people.
 */
export async function profile(world: World, options: ProfileOptions): Promise<string[]> {
  const { scenario, connections, durationMs, inspectorPort } = options;
  const { gateway, generator, ledger } = world;
  const tokens = await world.tokens(scenario, ACTORS);
  const load = { tokens, connections };
  const warm = await generator.run(
    jobOf(scenario, gateway, { ...load, durationMs: 60_000, most: 4 * ACTORS }),
  );
  await ledger.settle(warm.answered);
  let requests = 0;
  let cpu = 0;
  const found = await profiled(inspectorPort, async () => {
    const before = cpuMs(gateway.pid);
    requests = (await generator.run(jobOf(scenario, gateway, { ...load, durationMs }))).answered;
    await ledger.settle(requests);
    cpu = cpuMs(gateway.pid) - before;
  });
  const { dir } = await bundle();
  const root = framesOf(found, sourcesOf(await readFile(join(dir, 'index.js'), 'utf8')));
  const title = `${scenario.text}, ${connections} connections: ${requests} requests`;
  const name = join(FOLDER, `${scenario.name}-${connections}`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${name}.cpuprofile`, JSON.stringify(found));
  await writeFile(`${name}.html`, flameGraph(root, title, requests));
  const each = (time: number) => (time / requests).toFixed(1);
  const rows = (costs: readonly Cost[]) =>
    costs.slice(0, SHOWN).map((cost) => [cost.name, each(cost.self), each(cost.total), cost.source]);
  return [
    `${title}, ${((cpu / requests) * 1000).toFixed(0)} µs of CPU each, with the profiler's own.`,
    '',
    ...align([['function, µs a request', 'self', 'total', 'source'], ...rows(functionsOf(root))]),
    '',
    ...align([['file, µs a request', 'self', 'total', ''], ...rows(filesOf(root))]),
    '',
    ...[`${name}.cpuprofile`, `${name}.html`],
  ];
}
