import type { Evidence } from './compliance.ts';

/** The text of a file by its path from the top of the repository; `undefined` when there is none. */
export type ReadText = (path: string) => string | undefined;

/**
 * What is wrong with a claim's evidence, one line each: a file that is not there, a symbol that its file does not
 * declare, a test title that no test has, a test that does not run.
 */
export function evidenceFaults({ code, tests }: Evidence, read: ReadText): string[] {
  return [
    ...code.flatMap((claim) => codeFault(claim, read)),
    ...tests.flatMap((claim) => testFault(claim, read)),
  ];
}

function codeFault(claim: string, read: ReadText): string[] {
  const [path = '', symbol, ...more] = claim.split('#');
  const source = read(path);
  if (source === undefined) return [`${path} is not there`];
  if (symbol === undefined) return [];
  if (more.length > 0) return [`${claim} names more than one symbol`];
  return declares(path, source, symbol) ? [] : [`${path} does not declare ${symbol}`];
}

/** How each language that is named as evidence declares something, at the beginning of a line. */
const DECLARATIONS: { readonly [extension: string]: (symbol: string) => string } = {
  ts: (symbol) =>
    `(export )?(async )?(function|class|const|interface|type) ${symbol}\\b|\\s+${symbol}: setting\\(`,
  sql: (symbol) => `(create|grant|revoke) .*\\b${symbol}\\b`,
  rego: (symbol) => `(default )?${symbol}( contains| if| :=)`,
};

function declares(path: string, source: string, symbol: string): boolean {
  const pattern = DECLARATIONS[path.slice(path.lastIndexOf('.') + 1)];
  if (pattern === undefined || !/^[\w.]+$/.test(symbol)) return false;
  return new RegExp(`^(${pattern(symbol.replaceAll('.', '\\.'))})`, 'm').test(source);
}

function testFault({ file, title, row }: Evidence['tests'][number], read: ReadText): string[] {
  const source = read(file);
  if (source === undefined) return [`${file} is not there`];
  const code = source.replace(/^\s*\/\/.*$/gm, '');
  if (/\b(it|test|describe)\.(skip|skipIf|runIf|only|todo|fails)\b/.test(code))
    return [`${file} does not run whole`];
  if (!titles(code).some((found) => found.includes(title))) return [`${file} has no test "${title}"`];
  return row === undefined || quoted(code).some((found) => found.includes(row))
    ? []
    : [`${file} has no row "${row}"`];
}

const QUOTED = String.raw`'((?:[^'\\\n]|\\.)*)'|\`((?:[^\`\\]|\\.)*)\`|"((?:[^"\\\n]|\\.)*)"`;

/** Titles stand first in the call of `it`, `test` or `describe`, or in the call of what their `each` returned. */
function titles(code: string): string[] {
  return strings(code, String.raw`(?:\b(?:it|test|describe)|\))\(\s*(?:${QUOTED}),`);
}

function quoted(code: string): string[] {
  return strings(code, QUOTED);
}

function strings(code: string, pattern: string): string[] {
  return [...code.matchAll(new RegExp(pattern, 'g'))].map(
    ([, single, back, double]) => single ?? back ?? double ?? '',
  );
}
