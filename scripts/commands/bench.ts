import { PARTS, type Part, runBench, runProfile } from '../../bench/bench.ts';
import { compare } from '../../bench/compare.ts';
import { read } from '../../bench/results.ts';
import { ACTORS, CONNECTIONS, SCENARIOS } from '../../bench/scenarios.ts';
import { CommandError, command } from '../lib/command.ts';

await command({
  usage: 'npm run bench --',
  summary:
    'Measures what the gateway costs beside a Worker that only forwards: the production bundle on bare workerd, with ' +
    'everything switched on. bench/README.md says how and what the figures are worth.',
  options: {
    scenario: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: `only this: ${SCENARIOS.map(({ name }) => name).join(', ')}`,
    },
    connections: {
      type: 'string',
      multiple: true,
      value: 'N',
      help: `only so many: ${CONNECTIONS.join(', ')}, or another number`,
    },
    part: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: `only this: ${PARTS.join(', ')}; without it, all but scale`,
    },
    rounds: { type: 'string', value: 'N', default: '5', help: 'rounds of each measurement' },
    seconds: { type: 'string', value: 'N', default: '3', help: 'length of a round' },
    tenants: { type: 'string', value: 'N', default: '100000', help: 'of the scale, how many in the end' },
    records: { type: 'string', value: 'N', default: '10000000', help: 'of the scale, in one log in the end' },
    profile: {
      type: 'boolean',
      help: 'profiles one scenario (read) at one number of connections (32): a flame graph',
    },
    compare: {
      type: 'boolean',
      help: 'measures nothing, and sets the results in file B beside those in file A',
    },
    smoke: {
      type: 'boolean',
      help: 'a few seconds that show whether it all works; no figure is worth anything',
    },
  },
  positionals: ['[A.json]', '[B.json]'],
  async run({ scenario, connections, rounds, seconds, smoke, ...values }, [a, b], io) {
    if (values.compare) {
      if (a === undefined || b === undefined) throw new CommandError('--compare takes two files.', 2);
      for (const line of compare(await read(a), await read(b))) io.out(line);
      return 0;
    }
    if (a !== undefined) throw new CommandError('Files are for --compare.', 2);
    const names = (scenario ?? []) as string[];
    const unknown = names.find((name) => !SCENARIOS.some((each) => each.name === name));
    if (unknown !== undefined) throw new CommandError(`There is no scenario '${unknown}'.`, 2);
    const counts = ((connections ?? []) as string[]).map((text) => whole('connections', text, 1000));
    if (values.profile) {
      process.env.WORKER_BUNDLE = 'readable';
      const profiled = SCENARIOS.find(({ name }) => name === (names[0] ?? 'read'))!;
      const durationMs = whole('seconds', seconds, 600) * 1000;
      await runProfile(io, { scenario: profiled, connections: counts[0] ?? 32, durationMs });
      return 0;
    }
    const good = await runBench(io, {
      parts: partsOf((values.part ?? []) as string[], names.length + counts.length > 0 || smoke === true),
      tenants: whole('tenants', values.tenants, 1_000_000),
      records: whole('records', values.records, 1_000_000_000),
      scenarios: SCENARIOS.filter(({ name }) => names.length === 0 || names.includes(name)),
      connections: counts.length === 0 ? (smoke ? [8] : CONNECTIONS) : counts,
      rounds: smoke ? 1 : whole('rounds', rounds, 1000),
      roundMs: smoke ? 300 : whole('seconds', seconds, 600) * 1000,
      actors: smoke ? 40 : ACTORS,
      smoke: smoke === true,
    });
    return good ? 0 : 1;
  },
});

function partsOf(names: readonly string[], narrowed: boolean): readonly Part[] {
  const unknown = names.find((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown !== undefined) throw new CommandError(`There is no part '${unknown}'.`, 2);
  if (names.length > 0) return names as readonly Part[];
  return narrowed ? ['load'] : PARTS.filter((part) => part !== 'scale');
}

function whole(name: string, text: unknown, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new CommandError(`--${name} is a whole number from 1 to ${most}.`, 2);
  }
  return value;
}
