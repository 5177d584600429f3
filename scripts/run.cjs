// Runs a command of scripts/commands: `node scripts/run.cjs start --help`. Plain JavaScript, so that on any Node and
// without anything installed the guard speaks first.
'use strict';
const fs = require('node:fs');
const { enableCompileCache } = require('node:module');
const path = require('node:path');
const folder = path.join(__dirname, 'commands');
const name = process.argv[2] ?? '';
const commands = fs.readdirSync(folder).map((file) => path.parse(file).name);

require('./guard.cjs');
if (commands.includes(name)) {
  // A third of what a command takes to start, and more. Where it is lost it is made again, and where it cannot be written it is not.
  enableCompileCache(path.join(__dirname, '..', 'node_modules', '.cache', 'node'));
  // The command finds its arguments where it would if it had been started itself.
  process.argv.splice(1, 2, path.join(folder, `${name}.ts`));
  import(`./commands/${name}.ts`);
} else {
  process.stderr.write(`There is no command '${name}'. Commands: ${commands.join(', ')}.\n`);
  process.exitCode = 2;
}
