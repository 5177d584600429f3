/** Permissive licences, by their SPDX identifiers. What is in the bundle and what only builds it are held alike. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'CC-BY-4.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PostgreSQL',
  'Python-2.0',
  'Unlicense',
  'WTFPL',
]);

/** Of tools that are used unmodified and are in nothing that is deployed. */
const OF_TOOLS: ReadonlySet<string> = new Set([
  'Artistic-2.0',
  'CC-BY-3.0',
  'LGPL-3.0-or-later',
  'MPL-2.0',
  'PSF-2.0',
]);

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly os?: readonly string[];
}

/**
 * Packages of a lock file whose licence is not acceptable, as `name version: licence`. What is deployed has a
 * permissive one. Builds for other platforms state none here; the package that they belong to does.
 */
export function unacceptable(lock: { readonly packages: { readonly [path: string]: Locked } }): string[] {
  return Object.entries(lock.packages)
    .filter(([path, { license, os }]) => path !== '' && !(license === undefined && os !== undefined))
    .filter(([, { license = '', dev }]) => !satisfied(license, (one) => accepts(one, dev === true)))
    .map(([path, { license = 'no licence stated', version }]) => {
      return `${path.split('node_modules/').at(-1)} ${version}: ${license}`;
    });
}

function accepts(licence: string, tool: boolean): boolean {
  return PERMISSIVE.has(licence) || (tool && OF_TOOLS.has(licence));
}

/** An SPDX expression: of the licences joined by OR one is enough, of those joined by AND each one counts. */
function satisfied(expression: string, accepted: (licence: string) => boolean): boolean {
  return expression
    .replaceAll(/[()]/g, ' ')
    .split(/\s+OR\s+/)
    .some((choice) => choice.split(/\s+AND\s+/).every((one) => accepted(one.trim())));
}
