import { describe, expect, it } from 'vitest';
import { evidenceFaults } from './evidence.ts';

const FILES: { readonly [path: string]: string } = {
  'a.ts':
    'export async function guard() {}\nconst TABLE = { LIMIT: 1 };\n// function gone() {}\nexport const S = {\n  KEY: setting({}),\n};\n',
  'a.sql':
    'create trigger append_only before update on audit.record\ncreate function audit.leaf_hash(p_text text)\n',
  'a.rego': 'default allow := false\nallow if {\n}\ndenials contains "x" if y\n',
  'a.md': 'guard',
  'a.test.ts':
    "describe('a group', () => {\n  it('refuses it', { timeout: 1 }, () => {});\n  it.each([\n    ['one row', 1],\n  ] as const)('is %s', (a) => {});\n  it(\n    `of two kinds`, () => {});\n  // it('was here once', () => {});\n  expect(say('not a title'));\n  it.each(ROWS)('%s ends', f);\n});\n",
  'b.test.ts': "it.skip('refuses it', () => {});\nit('runs', () => {});\n",
};
const read = (path: string) => FILES[path];
const TEST = { file: 'a.test.ts', title: 'refuses it' };

describe('code', () => {
  it.each([
    'a.ts',
    'a.ts#guard',
    'a.ts#TABLE',
    'a.ts#KEY',
    'a.sql#append_only',
    'a.sql#audit.leaf_hash',
    'a.rego#allow',
    'a.rego#denials',
    'a.md',
  ])('%s is there', (claim) => {
    expect(evidenceFaults({ code: [claim], tests: [TEST] }, read)).toEqual([]);
  });

  it.each([
    ['b.ts', 'b.ts is not there'],
    ['a.ts#gone', 'a.ts does not declare gone'],
    ['a.ts#LIMIT', 'a.ts does not declare LIMIT'],
    ['a.ts#guar', 'a.ts does not declare guar'],
    ['a.ts#guard#TABLE', 'a.ts#guard#TABLE names more than one symbol'],
    ['a.ts#.*', 'a.ts does not declare .*'],
    ['a.sql#audit.leaf', 'a.sql does not declare audit.leaf'],
    ['a.rego#grants', 'a.rego does not declare grants'],
    ['a.md#guard', 'a.md does not declare guard'],
  ])('%s is a fault', (claim, fault) => {
    expect(evidenceFaults({ code: [claim], tests: [TEST] }, read)).toEqual([fault]);
  });
});

describe('tests', () => {
  const faults = (test: { file: string; title: string; row?: string }) =>
    evidenceFaults({ code: ['a.ts'], tests: [test] }, read);

  it.each(['a group', 'refuses it', 'refuses', 'is %s', 'kinds', '%s ends'])('"%s" is a title', (title) => {
    expect(faults({ file: 'a.test.ts', title })).toEqual([]);
  });

  it.each(['was here once', 'not a title', 'one row'])('"%s" is none', (title) => {
    expect(faults({ file: 'a.test.ts', title })).toEqual([`a.test.ts has no test "${title}"`]);
  });

  it('a row of a table is found, and missed', () => {
    expect(faults({ file: 'a.test.ts', title: 'is %s', row: 'one row' })).toEqual([]);
    expect(faults({ file: 'a.test.ts', title: 'is %s', row: 'three' })).toEqual([
      'a.test.ts has no row "three"',
    ]);
  });

  it('a file that is not there, or that skips, proves nothing', () => {
    expect(faults({ file: 'c.test.ts', title: 'runs' })).toEqual(['c.test.ts is not there']);
    expect(faults({ file: 'b.test.ts', title: 'runs' })).toEqual(['b.test.ts does not run whole']);
  });
});
