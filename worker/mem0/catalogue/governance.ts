import { FORMATS } from '../../governance/audit-query.ts';
import { CosignatureBody, HoldRequest } from '../../governance/proof-schemas.ts';
import { ExplainRequest } from '../../governance/schemas.ts';
import type { Operation, QueryKind } from './types.ts';

const EVALUATED = { oss: 'evaluate', platform: 'evaluate' } as const;
const common = {
  dialect: 'governance',
  method: 'GET',
  query: {},
  body: 'none',
  ids: [],
  phi: [],
  scope: 'none',
  serve: EVALUATED,
  answer: 'unread',
  owner: 'none',
} as const;

function open(id: string, path: string, summary: string): Operation {
  return { ...common, id, path, action: 'read', access: 'public', resource: 'status', summary };
}

const SIZE: QueryKind = { kind: 'integer', min: 0, max: 999_999_999_999_999 };
const TIME: QueryKind = { kind: 'time' };
const text = (max: number): QueryKind => ({ kind: 'text', max });

/** The gateway's own operations. The public ones are this fixed list; they hold nothing of a tenant. */
export const GOVERNANCE: readonly Operation[] = [
  open('governance.health', '/health', 'Says that the gateway is alive.'),
  open('governance.ready', '/ready', 'Says per part whether the gateway can serve.'),
  open(
    'governance.audit.keys',
    '/.well-known/mem0-governance/audit-keys',
    'Gives the keys that checkpoints are verified with.',
  ),
  open('governance.openapi', '/governance/v1/openapi.json', 'Describes the gateway’s own API.'),
  {
    ...common,
    id: 'governance.audit.list',
    path: '/governance/v1/audit',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    query: {
      from: TIME,
      to: TIME,
      actor: text(256),
      action: { kind: 'choice', of: ['read', 'write', 'delete', 'audit_read', 'admin', 'self'] },
      decision: {
        kind: 'choice',
        of: ['allow', 'deny', 'invalid_request', 'rate_limited', 'unauthenticated'],
      },
      request_id: { kind: 'uuid' },
      resource_id: text(256),
      limit: { kind: 'integer', min: 1, max: 500 },
      cursor: text(1024),
      format: { kind: 'choice', of: FORMATS },
    },
    owner: 'issued',
    summary: 'Reads the tenant’s audit records, newest first.',
  },
  {
    ...common,
    id: 'governance.audit.get',
    path: '/governance/v1/audit/{log}/{index}',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    owner: 'issued',
    summary: 'Reads one audit record of the tenant.',
  },
  {
    ...common,
    id: 'governance.audit.logs',
    path: '/governance/v1/audit/logs',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    owner: 'issued',
    summary: 'Lists every log that the tenant ever had.',
  },
  {
    ...common,
    id: 'governance.audit.checkpoint',
    path: '/governance/v1/audit/{log}/checkpoint',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    query: { fresh: { kind: 'boolean' } },
    owner: 'issued',
    summary: 'Reads the last signed checkpoint of a log, or has one signed.',
  },
  {
    ...common,
    id: 'governance.audit.consistency',
    path: '/governance/v1/audit/{log}/consistency',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    query: { from: SIZE, to: SIZE },
    owner: 'issued',
    summary: 'Proves that a log of one size is the beginning of the log of another.',
  },
  {
    ...common,
    id: 'governance.audit.proof',
    path: '/governance/v1/audit/{log}/{index}/proof',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    owner: 'issued',
    summary: 'Proves that a record of the tenant is in its log.',
  },
  {
    ...common,
    id: 'governance.receipts.proof',
    path: '/governance/v1/receipts/{log}/{index}/proof',
    action: 'self',
    access: 'governed',
    resource: 'receipt',
    owner: 'issued',
    summary: 'Proves that the record of one of the caller’s own requests is in its log.',
  },
  {
    ...open(
      'governance.audit.cosign',
      '/governance/v1/audit/{log}/cosignatures',
      'Takes the signature of a configured witness under a checkpoint.',
    ),
    method: 'POST',
    body: CosignatureBody,
  },
  {
    ...common,
    id: 'governance.receipts.get',
    path: '/governance/v1/receipts/{log}/{index}',
    action: 'self',
    access: 'governed',
    resource: 'receipt',
    owner: 'issued',
    summary: 'Reads the record of one of the caller’s own requests.',
  },
  {
    ...common,
    id: 'governance.audit.hold.get',
    path: '/governance/v1/audit/hold',
    action: 'audit_read',
    access: 'governed',
    resource: 'audit',
    owner: 'issued',
    summary: 'Says whether the tenant’s records are held.',
  },
  {
    ...common,
    id: 'governance.audit.hold.set',
    method: 'PUT',
    path: '/governance/v1/audit/hold',
    action: 'admin',
    access: 'governed',
    resource: 'audit',
    body: HoldRequest,
    owner: 'issued',
    summary: 'Holds the tenant’s records, so that none is archived, or holds them no more.',
  },
  {
    ...common,
    id: 'governance.whoami',
    path: '/governance/v1/whoami',
    action: 'self',
    access: 'governed',
    resource: 'principal',
    summary: 'Says who calls, what is left of the rate limit, and what the caller may do.',
  },
  {
    ...common,
    id: 'governance.explain',
    method: 'POST',
    path: '/governance/v1/explain',
    action: 'audit_read',
    access: 'governed',
    resource: 'policy',
    body: ExplainRequest,
    summary: 'Says what would become of a described request, without carrying it out.',
  },
];
