import { expect, it } from 'vitest';
import { EVENTS } from './log.ts';
import { REASONS } from './mem0/reasons.ts';
import { PROBLEMS } from './problem.ts';

// docs/errors.md is made from the tables: `npm run docs` writes it, and this test fails when it is stale.

const cell = (text: string) => text.replaceAll('|', '\\|');
const row = (...cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;

it('docs/errors.md is what the tables say', async () => {
  const text = [
    '# Error codes, reasons and log events',
    '',
    '<!-- Made from worker/problem.ts, worker/mem0/reasons.ts and worker/log.ts by `npm run docs`; edit them there. -->',
    '',
    '## Error codes',
    '',
    'Every refusal is a problem (RFC 9457) with a stable `code` and the request’s id. Why exactly stands in the record and',
    'not in the answer. On Mem0’s own paths it comes as `application/json`, because Mem0’s clients read nothing else; a',
    'client that accepts `application/problem+json` gets that.',
    '',
    '| code | status | what happened | what the caller can do |',
    '|---|---|---|---|',
    ...Object.entries(PROBLEMS).map(([code, [status, title, remedy]]) =>
      row(`\`${code}\``, String(status), title, remedy ?? 'See the answer’s `detail`.'),
    ),
    '',
    'From a 4xx of Mem0’s its status and a short text are passed on as `upstream_refused`.',
    '',
    '## Reasons of refused input',
    '',
    'In the record of an `invalid_request`, with the place as a JSON pointer, in which a name of the caller’s own is `*`; the',
    'caller reads the sentence. Reasons of the policy are in [policies/README.md](../policies/README.md).',
    '',
    '| reason | what the caller reads |',
    '|---|---|',
    ...Object.entries(REASONS).map(([reason, sentence]) => row(`\`${reason}\``, sentence)),
    '',
    '## Log events',
    '',
    'The operator’s log holds one JSON line per event, and nothing that a caller or Mem0 sent.',
    '',
    '| event | fields | what happened | what to do |',
    '|---|---|---|---|',
    ...Object.entries(EVENTS).map(([event, { fields, means, remedy }]) =>
      row(`\`${event}\``, fields.map((field) => `\`${field}\``).join(' '), means, remedy),
    ),
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../docs/errors.md');
});
