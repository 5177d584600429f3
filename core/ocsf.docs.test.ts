import { expect, it } from 'vitest';
import {
  ACTIVITIES,
  ALARMS,
  ALLOWED,
  API_ACTIVITY,
  AUTHENTICATION,
  type Captioned,
  CREATING,
  INTENT,
  NOTICED,
  OCSF_VERSION,
  ocsfEvent,
  REFUSED,
  type Verdict,
} from './ocsf.ts';
import type { AuditRecord } from './record.ts';

// docs/ocsf.md is made from the tables and checked against the mapping: `npm run docs` writes it, and this test fails
// when it is stale.

const RECORD: AuditRecord = {
  v: 1,
  phase: 'outcome',
  request_id: 'request',
  correlation: 'correlation',
  tenant: 'acme',
  actor: { issuer: 'issuer', sub: 'subject' },
  acting_party: 'acting party',
  roles: ['admin'],
  action: 'write',
  operation: 'oss.memories.add',
  dialect: 'oss',
  resource: { ids: ['id'], count: 140, digest: 'digest', cut: true },
  decision: 'allow',
  reasons: ['reason'],
  outcome: { result: 'success', status: 201, upstream_status: 200, latency_ms: 12 },
  intent: { log: 'acme~0~1', index: 6 },
  session: 'session',
  policy: 'policy',
  input: 'input',
  client: '203.0.113.0/24',
  agent: 'p1.AAAAAAAAAAAAAAAAAAAAAA',
  count: 41,
  detail: { rows: 1 },
  was: { log: 'acme~0~0', index: 3, time: 5 },
  log: 'acme~0~1',
  index: 7,
  time: 1_800_000_000_000,
};

/** Where a member stands in the event, and what is to be said of it. */
type PlaceRow = readonly [member: string, attributes: readonly string[], note: string];

const PLACES: readonly PlaceRow[] = (
  [
    ['v', ['metadata.log_version']],
    ['log', ['metadata.log_name'], '`metadata.uid` is `<log>/<index>`'],
    ['index', ['metadata.sequence']],
    ['time', ['time']],
    [
      'request_id',
      ['metadata.correlation_uid', 'api.request.uid'],
      'joins intent, outcome, correction and events',
    ],
    ['correlation', ['unmapped.correlation'], 'the client’s own id: anybody can choose it'],
    ['tenant', ['metadata.tenant_uid']],
    [
      'actor.sub',
      ['actor.user.uid'],
      'in Authentication also `user.uid`; `user.name` is `unknown` where nobody was identified',
    ],
    ['actor.issuer', ['actor.idp.uid', 'actor.idp.issuer', 'actor.session.issuer']],
    ['acting_party', ['actor.app_uid']],
    ['session', ['actor.session.uid']],
    [
      'operation',
      ['api.operation'],
      '`unknown` when the request fits no operation; `unmapped.operation` in Authentication',
    ],
    ['resource.ids', ['resources[].uid'], '`unmapped.ids` in Authentication'],
    ['resource.count', ['unmapped.resource.count']],
    ['resource.digest', ['unmapped.resource.digest']],
    ['resource.cut', ['unmapped.resource.cut']],
    ['outcome.status', ['api.response.code', 'status_code'], '`status_code` is text'],
    ['outcome.result', ['unmapped.outcome.result'], 'also in the status, above'],
    ['outcome.upstream_status', ['unmapped.outcome.upstream_status']],
    ['outcome.latency_ms', ['unmapped.outcome.latency_ms']],
    ['reasons', ['unmapped.reasons', 'status_detail'], '`status_detail` is text, with commas'],
    ['client', ['src_endpoint.name'], '`unknown` where the record has none'],
    ['count', ['count'], 'how many requests a shared record stands for'],
    ...[
      'phase',
      'decision',
      'roles',
      'action',
      'dialect',
      'intent',
      'policy',
      'input',
      'agent',
      'detail',
      'was',
    ].map((member) => [member, [`unmapped.${member}`]] as const),
  ] as const
).map(
  ([member, attributes, note]: readonly [string, readonly string[], string?]): PlaceRow => [
    member,
    attributes,
    note ?? '',
  ],
);

type Members = { readonly [name: string]: unknown };

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((found, step) => {
    const name = step.replace('[]', '');
    return step.endsWith('[]') ? (found as { [n: string]: unknown[] })[name]![0] : (found as Members)[name];
  }, value);
}

it.each(PLACES)('%s stands where the document says', (member, attributes) => {
  const event = ocsfEvent(RECORD, 'leaf');
  const value = at(RECORD, member);
  const texts = [value, Array.isArray(value) ? value[0] : value].flatMap((each) => [each, String(each)]);
  for (const attribute of attributes) expect(texts).toContainEqual(at(event, attribute));
});

it('the document speaks of every member of a record', () => {
  const spoken = new Set(PLACES.map(([member]) => member.split('.')[0]));
  expect([...spoken].sort()).toEqual(Object.keys(RECORD).sort());
});

const captioned = ([id, caption]: Captioned) => `${id} ${caption}`;
const code = (text: string) => `\`${text}\``;
const verdict = (what: string, { status, severity }: Verdict) =>
  `| ${what} | ${captioned(status)} | ${captioned(severity)} |`;

it('docs/ocsf.md is what the mapping does', async () => {
  const text = [
    '# Records as OCSF events',
    '',
    '<!-- Made from core/ocsf.ts by `npm run docs`; edit the tables there. -->',
    '',
    `An audit record as an event of the [Open Cybersecurity Schema Framework](https://schema.ocsf.io) ${OCSF_VERSION}, for`,
    'tools that read it: `GET /governance/v1/audit?format=ocsf` and `npm run -s audit:export -- --format ocsf`, see',
    '[audit.md](audit.md). Every record is one event, and its event holds everything of it, so none has to be looked up again.',
    'Only the record is hashed: `unmapped.leaf` is its hash, and the hash is checked with the record and not with the event.',
    '',
    'A test holds events against the published schema: names, types, captions, what is required, and of which attributes one',
    'must be there. The facts are in tests/vectors/ocsf-1.9.json, read from the repository ocsf/ocsf-schema at the commit that',
    'the file names. At that commit 1.9.0 was not released yet, and could still change.',
    '',
    '## Classes',
    '',
    '| class | records |',
    '|---|---|',
    `| ${API_ACTIVITY.class_uid} ${API_ACTIVITY.class_name}, category ${API_ACTIVITY.category_uid} | all others |`,
    `| ${AUTHENTICATION.class_uid} ${AUTHENTICATION.class_name}, category ${AUTHENTICATION.category_uid} | \`unauthenticated\`: no token, or not a good one. They are in the logs of \`~strangers\` |`,
    '',
    '## Activity',
    '',
    '`type_uid` is `class_uid` × 100 + `activity_id`.',
    '',
    '| action | `activity_id` |',
    '|---|---|',
    ...Object.entries(ACTIVITIES).map(([action, activity]) => `| ${code(action)} | ${captioned(activity)} |`),
    `| ${code('write')}: ${CREATING.map(code).join(' ')} | 1 Create |`,
    '| none: the request fits no operation | 0 Unknown |',
    '| an event of the gateway | 99, with its reason as the caption |',
    '| Authentication | 1 Logon |',
    '',
    '## Status and severity',
    '',
    '| record | `status_id` | `severity_id` |',
    '|---|---|---|',
    verdict('an intent', INTENT),
    ...Object.entries(ALLOWED).map(([result, each]) => verdict(`allowed: ${code(result)}`, each)),
    ...Object.entries(REFUSED).map(([decision, each]) => verdict(`refused: ${code(decision)}`, each)),
    ...Object.entries(ALARMS).map(([reason, severity]) =>
      verdict(`event: ${code(reason)}`, { ...NOTICED, severity }),
    ),
    verdict('any other event', NOTICED),
    '',
    'A correction has the status of what it tells, and comes after the outcome that was `unknown`. An intent and its outcome',
    'are two events: to count requests, take those with `unmapped.phase` `outcome`, each as often as its `count` says.',
    '',
    '## Attributes',
    '',
    '| member of the record | attribute | |',
    '|---|---|---|',
    ...PLACES.map(
      ([member, attributes, note = '']) =>
        `| ${code(member)} | ${attributes.map(code).join(' ')} | ${note} |`,
    ),
    '| the leaf hash | `unmapped.leaf` |  |',
    '',
    '`metadata.event_code` is `<phase>.<decision>`, and `event.<reason>` of an event. A shared record has a `count` but no',
    '`start_time`: when the first of them was is said by `unmapped.detail.first`.',
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../docs/ocsf.md');
});
