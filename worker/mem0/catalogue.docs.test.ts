import { expect, it } from 'vitest';
import { OPERATIONS } from './catalogue/index.ts';
import type { Dialect, Operation } from './catalogue/types.ts';

// docs/catalogue.md is made from the rows: `npm run docs` writes it, and this test fails when it is stale.

const HEADINGS: { readonly [D in Dialect]: readonly [string, string] } = {
  oss: ['Self-hosted Mem0', 'No version prefix, no trailing slash.'],
  platform: [
    'Mem0 Platform',
    'Trailing slashes everywhere. What is translated is carried out by the self-hosted dialect; what is refused is answered 501.',
  ],
  governance: [
    'The gateway itself',
    'What is **public** is served without identity, and without a record. docs/openapi.json describes them all.',
  ],
};

const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``;
const list = (places: readonly string[]) => (places.length === 0 ? '–' : places.map(code).join(' '));

function line(row: Operation): string {
  const cells = [
    code(row.id),
    row.method === '*' ? 'any' : row.method,
    code(row.path),
    row.access === 'governed' ? row.action : `**${row.access}**`,
    row.serve.oss,
    row.serve.platform,
    row.scope,
    row.owner,
    list(row.ids),
    list(row.phi),
    row.summary,
  ];
  return `| ${cells.join(' | ')} |`;
}

function section(dialect: Dialect): string[] {
  const [title, note] = HEADINGS[dialect];
  return [
    `## ${title}`,
    '',
    note,
    '',
    '| operation | method | path | action | on a self-hosted origin | on the Platform | scope | owner of the answer | ids | memory text | what it does |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...OPERATIONS.filter((row) => row.dialect === dialect).map(line),
    '',
  ];
}

it('docs/catalogue.md is what the rows say', async () => {
  const text = [
    '# Operations',
    '',
    '<!-- Made from worker/mem0/catalogue/ by `npm run docs`; edit the rows there. -->',
    '',
    'What has no row here is denied. The action decides which roles may; it comes from the row and never from the',
    'HTTP method. A row that says **deny** is refused whatever a policy says. HEAD and OPTIONS belong to no row',
    'but those of any method.',
    '',
    'In a path, `{name}` is one segment, `{name=a|b}` one of the words, and a last `**` everything below and the path',
    'itself. A literal wins over a parameter. Trailing slashes count, and literals are compared as they arrive.',
    '',
    '| scope | how a request is kept inside its tenant |',
    '|---|---|',
    '| `ids` | it names at least one entity id; all of them are namespaced |',
    '| `ids_listed` | the same, and what it will remove is listed first |',
    '| `proven` | the owner of the memory that it names is proven first |',
    '| `answer` | the row in the answer says whose it is |',
    '| `none` | nothing in it is a tenant’s |',
    '',
    '| owner | how an answer is known to be the tenant’s |',
    '|---|---|',
    '| `row` | each row has an owner id, and every one is in the tenant’s namespace; others are withheld |',
    '| `proven` | a row’s memory id is the proven one, or it has none |',
    '| `issued` | the call was itself scoped |',
    '| `none` | a fixed shape that holds nothing of a tenant |',
    '',
    ...section('oss'),
    ...section('platform'),
    ...section('governance'),
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../../docs/catalogue.md');
});
