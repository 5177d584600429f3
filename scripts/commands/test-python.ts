import { fileURLToPath } from 'node:url';
import { command } from '../lib/command.ts';
import { pythonWith } from '../lib/python.ts';
import { runSuite } from '../lib/suite.ts';

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

await command({
  usage: 'npm run test:python --',
  summary:
    "Runs Mem0's official Python clients, unmodified, against a running gateway. Needs Python 3.11; their packages are fetched into .cache/python once.",
  async run(_values, _positionals, io) {
    const python = await pythonWith(path('tests/python/requirements.txt'), path('.cache/python'), io.note);
    return runSuite('python', io, { PYTHON_WITH_MEM0: python });
  },
});
