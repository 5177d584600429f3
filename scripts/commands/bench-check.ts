import { cellsOf, hold } from '../../bench/goals.ts';
import { newest, read } from '../../bench/results.ts';
import { align } from '../../bench/summary.ts';
import { command } from '../lib/command.ts';

await command({
  usage: 'npm run bench:check --',
  summary:
    'Holds the newest results of `npm run bench`, or those of a file, against the goals, and says how far each is away.',
  positionals: ['[FILE]'],
  exitCodes: { 1: 'a goal is not met, or not measured' },
  async run(_values, [given], io) {
    const file = given ?? (await newest());
    const results = await read(file);
    const verdicts = hold(results);
    if (io.json) {
      io.out(
        JSON.stringify(
          verdicts.map(({ goal: { value: _, ...goal }, value, met }) => ({ ...goal, value, met })),
        ),
      );
    } else {
      io.note(`${file}, commit ${results.commit.slice(0, 12)}`);
      const heads = ['goal', '#', 'wanted', 'is', ''];
      for (const line of align([heads, ...verdicts.map(cellsOf)])) io.out(line);
    }
    return verdicts.every(({ met }) => met) ? 0 : 1;
  },
});
