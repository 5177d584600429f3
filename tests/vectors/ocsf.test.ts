import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACTIVITIES,
  API_ACTIVITY,
  AUTHENTICATION,
  CREATING,
  OCSF_VERSION,
  ocsfEvent,
} from '../../core/ocsf.ts';
import { type AuditRecord, ROLES } from '../../core/record.ts';
import { OPERATIONS } from '../../worker/mem0/catalogue/index.ts';
import { OCSF, ocsfFaults } from './ocsf-schema.ts';

// Every kind of record against what the published schema requires (ocsf-1.9.json).

const LEAF = 'ab'.repeat(32);

const text = fc.string({ minLength: 1, maxLength: 30 });
const count = fc.nat({ max: 2 ** 40 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const place = fc.record({ log: fc.constant('acme~0~1'), index: count });
const operation = fc.constantFrom(...OPERATIONS.map(({ id }) => id));

/** Any record that the types admit, and more than the gateway makes. */
const anyRecord: fc.Arbitrary<AuditRecord> = fc
  .record({
    v: fc.constant(1 as const),
    phase: fc.constantFrom('intent', 'outcome', 'correction', 'event'),
    request_id: text,
    correlation: optional(text),
    tenant: fc.constantFrom('acme', '~strangers'),
    actor: optional(fc.record({ issuer: text, sub: text })),
    acting_party: optional(text),
    roles: optional(fc.subarray([...ROLES])),
    action: optional(fc.constantFrom('read', 'write', 'delete', 'audit_read', 'admin', 'self')),
    operation: optional(operation),
    dialect: optional(text),
    resource: optional(
      fc.oneof(
        fc.record({ ids: fc.array(text, { maxLength: 5 }) }),
        fc.record({ count, digest: text, cut: fc.constant(true as const) }),
      ),
    ),
    decision: fc.constantFrom('allow', 'deny', 'invalid_request', 'rate_limited', 'unauthenticated'),
    reasons: fc.oneof(
      fc.array(text, { maxLength: 3 }),
      fc.constantFrom(['isolation_breach'], ['key_conflict'], ['log_fork']),
    ),
    outcome: optional(
      fc.record(
        {
          result: fc.constantFrom('success', 'failure', 'unknown'),
          status: fc.integer({ min: 100, max: 599 }),
          upstream_status: fc.integer({ min: 100, max: 599 }),
          latency_ms: count,
        },
        { requiredKeys: ['result'] },
      ),
    ),
    intent: optional(place),
    session: optional(text),
    policy: optional(text),
    input: optional(text),
    client: optional(fc.constantFrom('203.0.113.0/24', '2001:db8::/48', 'loopback')),
    count: optional(fc.integer({ min: 1, max: 1_000_000 })),
    detail: optional(fc.constant({ rows: 1 })),
    was: optional(fc.record({ log: fc.constant('acme~0~1'), index: count, time: count })),
    log: fc.constant('acme~0~2'),
    index: count,
    time: fc.integer({ min: 1_577_836_800_000, max: 4_102_444_799_999 }),
  })
  .map((record) => JSON.parse(JSON.stringify(record)) as AuditRecord);

const base: AuditRecord = {
  v: 1,
  phase: 'outcome',
  request_id: 'r-1',
  tenant: 'acme',
  actor: { issuer: 'https://idp', sub: 'ann' },
  acting_party: 'assistant',
  roles: ['admin'],
  action: 'write',
  operation: 'oss.memories.add',
  dialect: 'oss',
  resource: { ids: ['m-1', 'k1.abc'] },
  decision: 'allow',
  reasons: ['role_allows'],
  outcome: { result: 'success', status: 200, upstream_status: 200, latency_ms: 12 },
  intent: { log: 'acme~0~1', index: 6 },
  session: 's-1',
  policy: 'p',
  input: 'i',
  log: 'acme~0~1',
  index: 7,
  time: 1_800_000_000_000,
};
const event = (members: Partial<AuditRecord> = {}) => ocsfEvent({ ...base, ...members }, LEAF);

describe('every record', () => {
  it('is an event as the published schema wants it', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        expect(ocsfFaults(ocsfEvent(record, LEAF))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('loses nothing: each value of it stands somewhere in its event', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const values = new Set(leaves(ocsfEvent(record, LEAF)).map(String));
        // Reasons, a status and a version are also there as text; the client's place is the endpoint's name.
        expect(leaves(record).filter((value) => !values.has(String(value)))).toEqual([]);
      }),
    );
  });
});

function leaves(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value];
}

describe('the schema that events are held against', () => {
  it('is of the version that events name', () => {
    expect(OCSF.source.version.replace('-dev', '')).toBe(OCSF_VERSION);
  });

  it('has the classes that the mapping names', () => {
    expect(OCSF.classes.api_activity).toMatchObject(API_ACTIVITY);
    expect(OCSF.classes.authentication).toMatchObject(AUTHENTICATION);
  });

  it.each<[string, object]>([
    ['a required attribute is missing', { api: undefined }],
    ['a required attribute of an object is missing', { api: { service: { name: 'x' } } }],
    ['none of those is there of which one must be', { src_endpoint: { port: 1 } }],
    ['an attribute is not the schema’s', { tenant: 'acme' }],
    ['a type is another', { time: '2026' }],
    ['a number is none of the enumeration', { severity_id: 7 }],
    ['a caption is not its number’s', { severity: 'High' }],
    ['99 has no text of its own', { status_id: 99, status: undefined }],
    ['the type is not made of class and activity', { type_uid: 600_302 }],
  ])('finds that %s', (_what, change) => {
    expect(ocsfFaults(event())).toEqual([]);
    expect(ocsfFaults(JSON.parse(JSON.stringify({ ...event(), ...change })))).not.toEqual([]);
  });
});

describe('the mapping', () => {
  it('says who did what to which resource, and what came of it', () => {
    expect(event()).toMatchObject({
      class_uid: 6003,
      type_uid: 600_301,
      activity_name: 'Create',
      time: 1_800_000_000_000,
      status_id: 1,
      status_code: '200',
      severity_id: 1,
      metadata: {
        uid: 'acme~0~1/7',
        log_name: 'acme~0~1',
        sequence: 7,
        correlation_uid: 'r-1',
        tenant_uid: 'acme',
        event_code: 'outcome.allow',
      },
      actor: {
        user: { uid: 'ann' },
        idp: { uid: 'https://idp' },
        session: { uid: 's-1' },
        app_uid: 'assistant',
      },
      api: { operation: 'oss.memories.add', request: { uid: 'r-1' }, response: { code: 200 } },
      resources: [{ uid: 'm-1' }, { uid: 'k1.abc' }],
      unmapped: { leaf: LEAF, phase: 'outcome', intent: { log: 'acme~0~1', index: 6 }, policy: 'p' },
    });
  });

  it.each<[string, Partial<AuditRecord>, object]>([
    [
      'an intent',
      { phase: 'intent', outcome: undefined },
      { type_uid: 600_301, status_id: 99, status: 'Pending', severity_id: 1 },
    ],
    [
      'an unknown end',
      { outcome: { result: 'unknown' } },
      { status_id: 0, status: 'Unknown', severity_id: 3 },
    ],
    ['a failure', { outcome: { result: 'failure', status: 502 } }, { status_id: 2, severity_id: 2 }],
    [
      'a correction',
      { phase: 'correction' },
      { status_id: 1, metadata: expect.objectContaining({ event_code: 'correction.allow' }) },
    ],
    [
      'a denied delete',
      { decision: 'deny', action: 'delete', operation: 'oss.memories.delete' },
      { type_uid: 600_304, status_id: 2, severity_id: 3 },
    ],
    ['too many requests', { decision: 'rate_limited', count: 41 }, { count: 41, severity_id: 2 }],
    [
      'no good token',
      { decision: 'unauthenticated', actor: undefined, client: '203.0.113.0/24' },
      {
        class_uid: 3002,
        type_uid: 300_201,
        user: { name: 'unknown', type_id: 0, type: 'Unknown' },
        src_endpoint: { name: '203.0.113.0/24' },
        status_id: 2,
      },
    ],
    [
      'a breach',
      { phase: 'event', reasons: ['isolation_breach'] },
      { activity_id: 99, activity_name: 'isolation_breach', severity_id: 5 },
    ],
    ['what fits no operation', { action: undefined, operation: undefined }, { type_uid: 600_300 }],
  ])('of %s', (_what, members, expected) => {
    expect(event(members)).toMatchObject(expected);
  });

  it('knows of every writing operation whether it makes something', () => {
    const writes = OPERATIONS.filter(({ action }) => action === 'write');
    expect(
      writes
        .filter(({ id }) => id.endsWith('.add'))
        .map(({ id }) => id)
        .sort(),
    ).toEqual(CREATING);
    expect(writes.filter(({ id }) => !id.endsWith('.add')).every(({ id }) => /\.update$/.test(id))).toBe(
      true,
    );
    expect(Object.keys(ACTIVITIES)).toEqual(expect.arrayContaining(writes.map(({ action }) => action)));
  });
});
