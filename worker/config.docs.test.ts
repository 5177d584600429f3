import { expect, it } from 'vitest';
import { SETTINGS, type SettingName } from './settings.ts';

// The two files are made from the table: `npm run docs` writes them, and this test fails when they are stale.

interface Row {
  readonly type: string;
  readonly default?: string | null;
  readonly secret?: true;
  readonly text: string;
}
const ROWS = Object.entries(SETTINGS) as unknown as [SettingName, Row][];

function defaultOf(row: Row): string {
  if (row.default === undefined) return 'required';
  return row.default === null ? 'none' : `\`${row.default}\``;
}

function table(rows: readonly [string, Row][]): string[] {
  return [
    '| name | type | default | what it is for |',
    '|---|---|---|---|',
    ...rows.map(([name, row]) => `| \`${name}\` | ${row.type} | ${defaultOf(row)} | ${row.text} |`),
  ];
}

it('docs/configuration.md is what the table says', async () => {
  const text = [
    '# Configuration',
    '',
    '<!-- Made from worker/settings.ts by `npm run docs`; edit the table there. -->',
    '',
    'Every setting is read once, when an isolate starts. A missing or bad one stops the gateway: every request is',
    'answered 503 `misconfigured`, and the log lists each bad name. There is no insecure fallback.',
    '',
    '## Secrets',
    '',
    'Set with `npm run secrets`; never in `wrangler.toml`.',
    '',
    ...table(ROWS.filter(([, row]) => row.secret)),
    '',
    '## Settings',
    '',
    'Set under `[vars]` in `wrangler.toml`.',
    '',
    ...table(ROWS.filter(([, row]) => !row.secret)),
    '',
    '## An issuer',
    '',
    'docs/identity.md has a worked one for each of the usual providers. `ISSUERS` is a JSON list. What an issuer is not listed as able to assert is ignored in its tokens; `["*"]` has to be',
    'written out.',
    '',
    '```json',
    '[',
    '  {',
    '    "issuer": "https://id.example.com/realms/agents",',
    '    "audience": "mem0-governance",',
    '    "jwks_url": "https://id.example.com/realms/agents/protocol/openid-connect/certs",',
    '    "algorithms": ["RS256"],',
    '    "tenants": ["acme"],',
    '    "roles": ["agent-writer", "agent-reader"]',
    '  }',
    ']',
    '```',
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../docs/configuration.md');
});

it('.dev.vars.example is what the table says', async () => {
  const text = [
    '# Settings of a gateway of your own, for `wrangler dev`. `npm start` makes its own and needs none of this.',
    '# Made from worker/settings.ts by `npm run docs`.',
    '',
    ...ROWS.flatMap(([name, row]) => [
      `# ${row.text}`,
      row.default === undefined ? `${name}=` : `#${name}=${row.default ?? ''}`,
      '',
    ]),
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../.dev.vars.example');
});
