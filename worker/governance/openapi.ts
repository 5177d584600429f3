import type { ZodMiniType } from 'zod/mini';
import * as z from 'zod/mini';
import { OPERATIONS } from '../mem0/catalogue/index.ts';
import type { Operation, QueryKind } from '../mem0/catalogue/types.ts';
import { PROBLEMS, type ProblemCode } from '../problem.ts';
import { Erasure, RetiredKey } from './personal-schemas.ts';
import { AuditKeys, CheckpointBody, Consistency, Cosigned, Hold, Logs, Receipt } from './proof-schemas.ts';
import { AuditEvents, AuditPage, Explanation, ProblemBody, StoredRecord, WhoAmI } from './schemas.ts';

type JsonSchema = { readonly [member: string]: unknown };

const Health = z.strictObject({ status: z.literal('ok') });
const Part = z.enum(['ok', 'degraded', 'down']);
const Readiness = z.strictObject({ status: Part, parts: z.record(z.string(), Part) });
const Description = z.looseObject({ openapi: z.string() });

/** What befalls a request before it is looked at. */
const OPEN: readonly ProblemCode[] = ['insecure_transport', 'misconfigured'];

/** What each operation answers with 200, and the problems that are its own; others come from the way it takes. */
export const ANSWERS: {
  readonly [operation: string]: { readonly schema: ZodMiniType; readonly problems: readonly ProblemCode[] };
} = {
  'governance.health': { schema: Health, problems: OPEN },
  'governance.ready': { schema: Readiness, problems: OPEN },
  'governance.openapi': { schema: Description, problems: OPEN },
  'governance.audit.list': {
    schema: z.union([AuditPage, AuditEvents]),
    problems: ['audit_unreadable', 'vault_unavailable'],
  },
  'governance.audit.get': {
    schema: StoredRecord,
    problems: ['not_found', 'record_archived', 'audit_unreadable'],
  },
  'governance.receipts.get': {
    schema: StoredRecord,
    problems: ['not_found', 'record_archived', 'audit_unreadable'],
  },
  'governance.audit.logs': { schema: Logs, problems: ['proof_unavailable'] },
  'governance.audit.checkpoint': { schema: CheckpointBody, problems: ['not_found', 'proof_unavailable'] },
  'governance.audit.consistency': { schema: Consistency, problems: ['not_found', 'proof_unavailable'] },
  'governance.audit.proof': {
    schema: Receipt,
    problems: ['not_found', 'audit_unreadable', 'proof_unavailable'],
  },
  'governance.receipts.proof': {
    schema: Receipt,
    problems: ['not_found', 'record_archived', 'audit_unreadable', 'proof_unavailable'],
  },
  'governance.audit.keys': { schema: AuditKeys, problems: OPEN },
  'governance.audit.cosign': {
    schema: Cosigned,
    problems: [...OPEN, 'not_a_witness', 'not_found', 'audit_unavailable', 'proof_unavailable'],
  },
  'governance.audit.hold.get': { schema: Hold, problems: ['audit_unreadable'] },
  'governance.audit.hold.set': {
    schema: Hold,
    problems: ['payload_too_large', 'unsupported_media_type', 'audit_unreadable'],
  },
  'governance.personal.erase': {
    schema: Erasure,
    problems: ['payload_too_large', 'unsupported_media_type', 'vault_unavailable'],
  },
  'governance.personal.retire_key': {
    schema: RetiredKey,
    problems: ['payload_too_large', 'unsupported_media_type', 'audit_unreadable'],
  },
  'governance.whoami': { schema: WhoAmI, problems: [] },
  'governance.explain': { schema: Explanation, problems: ['payload_too_large', 'unsupported_media_type'] },
};

/** Refusals that every governed operation can end in. */
const ON_THE_WAY: readonly ProblemCode[] = [
  'invalid_target',
  'invalid_header',
  'invalid_query',
  'invalid_body',
  'tenant_required',
  'context_required',
  'unauthenticated',
  'insecure_transport',
  'forbidden',
  'rate_limited',
  'internal',
  'misconfigured',
  'keys_unavailable',
  'gate_unavailable',
  'audit_unavailable',
  'busy',
];

/** Classes of path segments. */
const PARAMETERS: { readonly [name: string]: JsonSchema } = {
  log: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}~(0|[1-9][0-9]{0,4})~[1-9][0-9]{0,8}$' },
  index: { type: 'integer', minimum: 0, maximum: 999_999_999_999_999 },
};

/** The description of the gateway's own API (OpenAPI 3.1), from the rows and schemas that validate it. */
export function openapi(): JsonSchema {
  const paths: { [path: string]: { [method: string]: JsonSchema } } = {};
  for (const row of OPERATIONS) {
    if (row.dialect !== 'governance') continue;
    paths[row.path] = { ...paths[row.path], [row.method.toLowerCase()]: operationOf(row) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Governance API',
      version: '1',
      description: 'The gateway’s own API. Mem0’s operations stand beside it under their own paths.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway.' }],
    tags: [
      { name: 'governance', description: 'With a token, and recorded.' },
      { name: 'public', description: 'Without a token, and without a record.' },
    ],
    paths,
    components: {
      schemas: { Problem: jsonSchema(ProblemBody) },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function operationOf(row: Operation): JsonSchema {
  const { schema, problems } = ANSWERS[row.id]!;
  const governed = row.access === 'governed';
  const parameters = [...pathParameters(row), ...queryParameters(row)];
  return {
    operationId: row.id,
    summary: row.summary,
    ...(governed ? { description: `Action \`${row.action}\`.` } : {}),
    tags: [governed ? 'governance' : 'public'],
    security: governed ? [{ token: [] }] : [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(typeof row.body === 'string'
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchema(row.body, 'input') } },
          },
        }),
    responses: {
      200: {
        description: 'Done.',
        ...(governed ? { headers: { 'Audit-Record': AUDIT_RECORD } } : {}),
        content: { 'application/json': { schema: jsonSchema(schema) } },
      },
      ...problemResponses(governed ? [...ON_THE_WAY, ...problems] : problems),
      // Readiness says in its own words what is down.
      ...(row.id === 'governance.ready'
        ? {
            503: {
              description: 'Requests would fail, or `misconfigured`.',
              content: { 'application/json': { schema: jsonSchema(Readiness) }, ...PROBLEM_CONTENT },
            },
          }
        : {}),
    },
  };
}

const AUDIT_RECORD = {
  description: 'The record of this request: `<log>/<index>;<leaf hash>`.',
  schema: { type: 'string' },
};
const PROBLEM_CONTENT = {
  'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
};

/** A gateway without good settings does not know whose path it is, and answers as Mem0's clients read it. */
const PLAIN_PROBLEM = { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } };

function problemResponses(codes: readonly ProblemCode[]): { [status: string]: JsonSchema } {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const [status] = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, all]) => [
      String(status),
      {
        description: all.map((code) => `\`${code}\``).join(', '),
        content: all.includes('misconfigured') ? { ...PROBLEM_CONTENT, ...PLAIN_PROBLEM } : PROBLEM_CONTENT,
      },
    ]),
  );
}

function pathParameters({ path }: Operation): JsonSchema[] {
  return [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: PARAMETERS[name!],
  }));
}

function queryParameters({ query }: Operation): JsonSchema[] {
  if (query === 'any') return [];
  return Object.entries(query).map(([name, kind]) => ({
    name,
    in: 'query',
    schema: querySchema(kind),
  }));
}

function querySchema(kind: QueryKind): JsonSchema {
  switch (kind.kind) {
    case 'boolean':
      return { type: 'boolean' };
    case 'integer':
      return { type: 'integer', minimum: kind.min, maximum: kind.max };
    case 'choice':
      return { type: 'string', enum: kind.of };
    case 'time':
      return { type: 'string', format: 'date-time' };
    case 'uuid':
      return { type: 'string', format: 'uuid' };
    case 'text':
      return { type: 'string', minLength: 1, maxLength: kind.max };
    case 'ignored':
      return {};
    case 'id':
      return { type: 'string', minLength: 1, maxLength: 256 };
  }
}

function jsonSchema(schema: ZodMiniType, io: 'input' | 'output' = 'output'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
