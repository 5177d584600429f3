import type { Action } from '../../../core/record.ts';
import {
  PLATFORM_ADD,
  PLATFORM_BATCH_DELETE,
  PLATFORM_BATCH_UPDATE,
  PLATFORM_ENTITY,
  PLATFORM_EXPORT,
  PLATFORM_EXPORTED,
  PLATFORM_FEEDBACK,
  PLATFORM_LIST,
  PLATFORM_SEARCH,
  PLATFORM_SUMMARY,
  PLATFORM_UPDATE,
  PLATFORM_V1_SEARCH,
} from './platform-bodies.ts';
import {
  type AnswerShape,
  denied,
  type FieldPath,
  type Method,
  type Operation,
  type OwnerRule,
  type QueryKind,
  type Scope,
  type Serve,
} from './types.ts';

/** What differs between Platform rows. What says nothing of how a self-hosted origin serves it is refused there, and forwarded to
 * the Platform. */
interface Row {
  readonly action: Action;
  readonly resource?: string;
  readonly ids?: readonly FieldPath[];
  readonly phi?: readonly FieldPath[];
  readonly scope: Scope;
  readonly owner: OwnerRule;
  readonly body?: Operation['body'];
  readonly query?: { readonly [name: string]: QueryKind };
  readonly oss?: Serve;
  /** How the Platform itself serves it; forwarded unless it says otherwise. */
  readonly platform?: Serve;
  readonly answer?: AnswerShape;
  readonly says?: string;
  readonly afterDelete?: true;
}

const IGNORED: QueryKind = { kind: 'ignored' };
const ID: QueryKind = { kind: 'id' };
/** Which account and project: the operator's to say, and never the client's. */
const PROJECT = { org_id: IGNORED, project_id: IGNORED };
const OWNERS = { user_id: ID, agent_id: ID, run_id: ID, app_id: ID };
const PAGES: { readonly [name: string]: QueryKind } = {
  page: { kind: 'integer', min: 1, max: 1000 },
  page_size: { kind: 'integer', min: 1, max: 200 },
};

function row(
  id: string,
  request: `${Method} ${string}`,
  summary: string,
  { oss = 'refuse', platform = 'forward', query, body, ...own }: Row,
): Operation {
  const [method, path] = request.split(' ') as [Method, string];
  return {
    id: `platform.${id}`,
    dialect: 'platform',
    method,
    path,
    access: 'governed',
    resource: 'memory',
    ids: [],
    phi: [],
    serve: { oss, platform },
    answer: 'unread',
    summary,
    ...own,
    query: { ...PROJECT, ...query },
    body: body ?? 'none',
  };
}

const deny = (id: string, path: string, resource: string, summary: string) =>
  denied('platform', `platform.${id}`, path, resource, summary);

const ids = (place: string): FieldPath[] =>
  ['user_id', 'agent_id', 'app_id', 'run_id'].map((id) => `${place}.${id}`);
const FILTERS = ['body.filters'];
const BY_ID = ['path.memory_id'];
const MEMORIES = ['answer.results.memory', 'answer.results.metadata'];
const MESSAGES = ['body.messages', 'body.metadata'];
const ITEM = ['answer.memory', 'answer.metadata'];
const BATCHED = ['body.memories.memory_id'];

const listing = {
  action: 'read',
  phi: MEMORIES,
  scope: 'ids',
  owner: 'row',
  oss: 'translate',
  answer: 'list',
} as const;
const search = {
  ...listing,
  ids: FILTERS,
  phi: ['body.query', 'body.filters', ...MEMORIES],
  body: PLATFORM_SEARCH,
} as const;
const adding = {
  action: 'write',
  phi: MESSAGES,
  scope: 'ids',
  owner: 'issued',
  body: PLATFORM_ADD,
  answer: 'accepted',
  oss: 'translate',
} as const;
/** The hosted API, as the official SDK calls it: trailing slashes everywhere. */
export const PLATFORM: readonly Operation[] = [
  row('ping', 'GET /v1/ping/', 'Says that the key is good.', {
    action: 'read',
    resource: 'status',
    scope: 'none',
    owner: 'none',
    oss: 'evaluate',
    platform: 'evaluate',
  }),
  row('memories.add', 'POST /v3/memories/add/', 'Adds memories from messages.', {
    ...adding,
    ids: ids('body'),
  }),
  row('memories.list', 'POST /v3/memories/', 'Lists memories by a filter.', {
    ...listing,
    ids: FILTERS,
    query: PAGES,
    body: PLATFORM_LIST,
    answer: 'page',
  }),
  row('memories.search', 'POST /v3/memories/search/', 'Finds the memories that fit a query.', search),
  row('memories.get', 'GET /v1/memories/{memory_id}/', 'Reads one memory.', {
    action: 'read',
    ids: BY_ID,
    phi: ITEM,
    scope: 'answer',
    owner: 'row',
    oss: 'translate',
    answer: 'item',
  }),
  row('memories.update', 'PUT /v1/memories/{memory_id}/', 'Changes one memory.', {
    action: 'write',
    ids: BY_ID,
    phi: ['body.text', 'body.metadata', ...ITEM],
    scope: 'proven',
    owner: 'proven',
    body: PLATFORM_UPDATE,
    oss: 'translate',
    answer: 'changed',
  }),
  row('memories.delete', 'DELETE /v1/memories/{memory_id}/', 'Deletes one memory.', {
    action: 'delete',
    ids: BY_ID,
    scope: 'proven',
    owner: 'proven',
    oss: 'translate',
    answer: 'message',
    says: 'Memory deleted.',
  }),
  row('memories.history', 'GET /v1/memories/{memory_id}/history/', 'Reads what became of one memory.', {
    action: 'read',
    ids: BY_ID,
    phi: ['answer.old_memory', 'answer.new_memory', 'answer.input'],
    scope: 'proven',
    owner: 'proven',
    oss: 'translate',
    answer: 'history',
    afterDelete: true,
  }),
  row('memories.delete_all', 'DELETE /v1/memories/', 'Deletes the memories of the given ids.', {
    action: 'delete',
    ids: ids('query'),
    scope: 'ids_listed',
    owner: 'issued',
    query: OWNERS,
    oss: 'translate',
    answer: 'message',
    says: 'Memories deleted.',
  }),
  row('batch.update', 'PUT /v1/batch/', 'Changes up to 400 memories.', {
    action: 'write',
    ids: BATCHED,
    phi: ['body.memories.text'],
    scope: 'proven',
    owner: 'proven',
    body: PLATFORM_BATCH_UPDATE,
    oss: 'translate',
    answer: 'message',
    says: 'Memories updated.',
  }),
  row('batch.delete', 'DELETE /v1/batch/', 'Deletes up to 400 memories.', {
    action: 'delete',
    ids: BATCHED,
    scope: 'proven',
    owner: 'proven',
    body: PLATFORM_BATCH_DELETE,
    oss: 'translate',
    answer: 'message',
    says: 'Memories deleted.',
  }),
  row('feedback.add', 'POST /v1/feedback/', 'Rates one memory.', {
    action: 'write',
    resource: 'feedback',
    ids: ['body.memory_id'],
    phi: ['body.feedback_reason'],
    scope: 'proven',
    owner: 'proven',
    body: PLATFORM_FEEDBACK,
    answer: 'rated',
  }),
  row('entities.get', 'GET /v2/entities/{entity_type=user|agent|app|run}/{entity_id}/', 'Reads one entity.', {
    action: 'read',
    resource: 'entity',
    ids: ['path.entity_id'],
    scope: 'ids',
    owner: 'issued',
    answer: 'entity',
  }),
  row(
    'entities.delete',
    'DELETE /v2/entities/{entity_type=user|agent|app|run}/{entity_id}/',
    'Deletes an entity with its memories.',
    {
      action: 'delete',
      resource: 'entity',
      ids: ['path.entity_id'],
      scope: 'ids_listed',
      owner: 'issued',
      oss: 'translate',
      answer: 'message',
      says: 'Entity deleted.',
    },
  ),
  row('entities.add', 'POST /v1/{entity_type=users|agents|apps|runs}/', 'Adds an entity.', {
    action: 'write',
    resource: 'entity',
    ids: ids('body'),
    scope: 'ids',
    owner: 'issued',
    body: PLATFORM_ENTITY,
    answer: 'entity',
  }),
  row('events.get', 'GET /v1/event/{event_id}/', 'Says what became of an asynchronous call.', {
    action: 'read',
    resource: 'event',
    ids: ['path.event_id'],
    scope: 'proven',
    owner: 'proven',
    oss: 'evaluate',
    platform: 'evaluate',
  }),
  row('exports.add', 'POST /v1/exports/', 'Starts an export of memories.', {
    action: 'read',
    resource: 'export',
    ids: FILTERS,
    scope: 'ids',
    owner: 'issued',
    body: PLATFORM_EXPORT,
    answer: 'export',
  }),
  // By its id and in no other way: the latest export that fits a filter may be another tenant's.
  row('exports.get', 'POST /v1/exports/get/', 'Reads an export.', {
    action: 'read',
    resource: 'export',
    ids: ['body.memory_export_id'],
    phi: ['answer'],
    scope: 'export',
    owner: 'issued',
    body: PLATFORM_EXPORTED,
    answer: 'exported',
  }),
  row('summary.get', 'POST /v1/summary/', 'Summarises memories by a filter.', {
    action: 'read',
    ids: FILTERS,
    phi: ['answer.summary'],
    scope: 'ids',
    owner: 'issued',
    body: PLATFORM_SUMMARY,
    answer: 'summary',
  }),
  row('v1.memories.list', 'GET /v1/memories/', 'Lists memories (deprecated form).', {
    ...listing,
    ids: ids('query'),
    query: OWNERS,
  }),
  row('v1.memories.add', 'POST /v1/memories/', 'Adds memories (deprecated form).', {
    ...adding,
    ids: ids('body'),
  }),
  row('v2.memories.list', 'POST /v2/memories/', 'Lists memories by a filter (deprecated form).', {
    ...listing,
    ids: FILTERS,
    body: PLATFORM_LIST,
  }),
  row('v1.memories.search', 'POST /v1/memories/search/', 'Finds memories (deprecated form).', {
    ...search,
    ids: [...ids('body'), ...FILTERS],
    body: PLATFORM_V1_SEARCH,
  }),
  row('v2.memories.search', 'POST /v2/memories/search/', 'Finds memories (deprecated form).', search),
  row(
    'v1.entities.memories',
    'GET /v1/memories/{entity_type=user|agent|app|run}/{entity_id}/',
    'Lists the memories of an entity (deprecated form).',
    { ...listing, ids: ['path.entity_id'] },
  ),
  row('entities.list', 'GET /v1/entities/', 'Lists the users, agents and runs of the tenant.', {
    action: 'read',
    resource: 'entity',
    scope: 'none',
    owner: 'row',
    query: PAGES,
    oss: 'translate',
    answer: 'entity_page',
  }),
  deny('entities.filters', '/v1/entities/filters/', 'entity', 'Lists the entities of the whole project.'),
  deny('entities.numbered', '/v1/entities/**', 'entity', 'Entities by number, whoever they belong to.'),
  deny('stats', '/v1/stats/**', 'control', 'Figures of the whole project.'),
  deny('events.list', '/v1/events/**', 'event', 'Lists the events of the whole project.'),
  deny('memories.events', '/v1/memories/events/**', 'event', 'Lists the events of the whole project.'),
  deny('webhooks', '/api/v1/webhooks/**', 'control', 'Sends every memory of the project to an address.'),
  deny('organizations', '/api/v1/orgs/organizations/**', 'control', 'Members and projects of the account.'),
  deny('auth', '/api/v1/auth/**', 'control', 'Accounts of the service.'),
  deny('agent_rush', '/v1/agent-rush/**', 'control', 'Of the command-line tool alone.'),
];
