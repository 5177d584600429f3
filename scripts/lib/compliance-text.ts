import {
  type Control,
  type Controls,
  countStates,
  type Evidence,
  evidenceOf,
  type Framework,
  STATES,
  type Threat,
  type Threats,
} from './compliance.ts';

const FRAMEWORKS: {
  readonly [F in Framework]: { readonly title: string; readonly note: readonly string[] };
} = {
  soc2: {
    title: 'SOC 2',
    note: [
      'The Trust Services Criteria of 2017 with the points of focus of 2022: security, availability,',
      'confidentiality and privacy. Processing integrity is not mapped.',
    ],
  },
  iso27001: {
    title: 'ISO/IEC 27001:2022',
    note: ['All 93 controls of Annex A, with the controls of the 2013 edition that each continues.'],
  },
  hipaa: {
    title: 'HIPAA Security Rule',
    note: [
      '45 CFR 164.308 to 164.316 as in force, down to the implementation specification. The rule proposed in 2025',
      'is a proposal only and is not mapped.',
    ],
  },
};

const MEANINGS = {
  carried:
    'this software does what the row asks of a technical system, for the requests that pass through it',
  partly: 'it does a part, and the sentence says what is left',
  customer: 'it is left to whoever deploys this',
  not_yet: 'it belongs to this software and is not built yet',
} as const;

/** `compliance/controls-mapping.md`, made from the rows. */
export function controlsText(controls: Controls): string {
  const frameworks = Object.keys(FRAMEWORKS) as Framework[];
  return [
    '# Controls',
    '',
    '<!-- Made from compliance/controls.json by `npm run docs`; edit the rows there. -->',
    '',
    'This maps evidence; it is no certification, and whether a control is met is judged by your auditor. Titles are',
    'our own words: read the standards for what they ask. It assumes a deployment with `TRANSPORT=edge` in which',
    'Mem0 can be reached by the gateway alone.',
    '',
    '| state | what it says |',
    '|---|---|',
    ...STATES.map((state) => `| \`${state}\` | ${MEANINGS[state]} |`),
    '',
    `| framework | rows | ${STATES.join(' | ')} |`,
    `|---|---|${STATES.map(() => '---|').join('')}`,
    ...frameworks.map((framework) => countLine(FRAMEWORKS[framework].title, controls[framework])),
    '',
    'What the evidence names is checked by `compliance/evidence.test.ts`: files, symbols and titles of tests are',
    'there. That a test passes is shown by running it: `npm test`.',
    '',
    ...frameworks.flatMap((framework) => section(framework, controls[framework])),
  ].join('\n');
}

function countLine(title: string, rows: readonly Control[]): string {
  const counts = countStates(rows);
  return `| ${[title, rows.length, ...STATES.map((state) => counts[state])].join(' | ')} |`;
}

function section(framework: Framework, rows: readonly Control[]): string[] {
  const { title, note } = FRAMEWORKS[framework];
  const aside = { soc2: undefined, iso27001: '2013', hipaa: 'kind' }[framework];
  const head = [
    'id',
    ...(aside ? [aside] : []),
    'what it is about',
    'state',
    'what is done, and what is left',
  ];
  const proven = rows.flatMap((row) => {
    const evidence = evidenceOf(row);
    return evidence ? [`- **${row.id}**`, ...evidenceLines(evidence, '  ')] : [];
  });
  return [
    `## ${title}`,
    '',
    ...note,
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---|').join('')}`,
    ...rows.map(
      (row) => `| ${[row.id, ...asideOf(row), row.title, `\`${row.state}\``, row.says].join(' | ')} |`,
    ),
    '',
    `### Evidence for ${title}`,
    '',
    ...proven,
    '',
  ];
}

function asideOf(row: Control): string[] {
  if ('was' in row) return [row.was === 'new' ? 'new' : row.was.join(', ')];
  return 'kind' in row ? [row.kind] : [];
}

/** A list of links for the code, and one of tests, each on lines of its own. */
function evidenceLines({ code, tests }: Evidence, indent: string): string[] {
  return [
    `${indent}- code: ${code.map(codeLink).join(', ')}`,
    `${indent}- tests: ${tests.map(({ file, title, row }) => `${link(file)} ${quote(title)}${row ? `, row ${quote(row)}` : ''}`).join('; ')}`,
  ];
}

function codeLink(claim: string): string {
  const [path = '', symbol] = claim.split('#');
  return symbol === undefined ? link(path) : `${link(path)} \`${symbol}\``;
}

const link = (path: string) => `[${path}](../${path})`;
const quote = (text: string) => `“${text.replaceAll(/[*_[\]<>\\]/g, '\\$&')}”`;

/** `compliance/threat-model.md`, made from the rows. */
export function threatsText(model: Threats): string {
  const { zones, parties, flows, threats, abuse } = model;
  return [
    '# Threat model',
    '',
    '<!-- Made from compliance/threats.json by `npm run docs`; edit the rows there. -->',
    '',
    'What could go wrong between applications and Mem0, what stops it here, and what is left over. Code and tests',
    'that are named are checked by `compliance/evidence.test.ts`. It is one input to a risk analysis and is none.',
    '',
    '## Boundaries',
    '',
    'Numbers are those of the data flows below, which say how each crossing is protected.',
    '',
    '```mermaid',
    ...diagram(model),
    '```',
    '',
    '| zone | how far it is trusted |',
    '|---|---|',
    ...zones.map(({ name, trust }) => `| ${name} | ${trust} |`),
    '',
    '| party | zone | what it holds |',
    '|---|---|---|',
    ...parties.map(({ name, zone, holds }) => `| ${name} | ${nameOf(zones, zone)} | ${holds} |`),
    '',
    '## Data flows',
    '',
    '| flow | from | to | data | protection |',
    '|---|---|---|---|---|',
    ...flows.map(
      ({ id, from, to, data, protection }) =>
        `| ${id} | ${nameOf(parties, from)} | ${nameOf(parties, to)} | ${data} | ${protection} |`,
    ),
    '',
    '## Threats',
    '',
    ...threats.flatMap((entry) => threatLines(entry, [])),
    '## Abuse cases',
    '',
    'Ways that were tried or came up while this was built.',
    '',
    ...abuse.flatMap((entry) => threatLines(entry, [`Belongs to ${entry.threats.join(', ')}.`, ''])),
  ].join('\n');
}

function diagram({ zones, parties, flows }: Threats): string[] {
  return [
    'flowchart LR',
    ...zones.flatMap(({ id, name }) => [
      `  subgraph ${id}["${name}"]`,
      ...parties.filter(({ zone }) => zone === id).map((party) => `    ${party.id}["${party.name}"]`),
      '  end',
    ]),
    ...flows.map(({ id, from, to }) => `  ${from} -->|${id.replace('F', '')}| ${to}`),
  ];
}

function nameOf(all: readonly { readonly id: string; readonly name: string }[], id: string): string {
  return all.find((entry) => entry.id === id)?.name ?? id;
}

function threatLines({ id, title, attack, stops, left }: Threat, more: readonly string[]): string[] {
  return [
    `### ${id} ${title}`,
    '',
    ...more,
    `**Attack.** ${attack}`,
    '',
    '**What stops it.**',
    '',
    ...stops.flatMap((stop) => [`- ${stop.says}`, ...evidenceLines(stop, '  ')]),
    '',
    `**What is left over.** ${left}`,
    '',
  ];
}
