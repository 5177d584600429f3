import type { Json } from './canonical.ts';
import type { Action, AuditRecord, Decision, Outcome } from './record.ts';

/**
 * Records as events of the Open Cybersecurity Schema Framework: what each becomes is said by the tables below, from
 * which docs/ocsf.md is made. An event holds everything of its record: what the schema has no place for is in `unmapped`.
 */

/** The version of the schema that events name. */
export const OCSF_VERSION = '1.9.0';

export interface OcsfClass {
  readonly class_uid: number;
  readonly class_name: string;
  readonly category_uid: number;
  readonly category_name: string;
}

export const API_ACTIVITY: OcsfClass = {
  class_uid: 6003,
  class_name: 'API Activity',
  category_uid: 6,
  category_name: 'Application Activity',
};
export const AUTHENTICATION: OcsfClass = {
  class_uid: 3002,
  class_name: 'Authentication',
  category_uid: 3,
  category_name: 'Identity & Access Management',
};

/** A number of the schema and its caption. Of 99, Other, the caption is ours. */
export type Captioned = readonly [id: number, caption: string];

const UNKNOWN: Captioned = [0, 'Unknown'];
const OTHER = 99;
const CREATE: Captioned = [1, 'Create'];
const READ: Captioned = [2, 'Read'];

/** `activity_id` of API Activity, by action. */
export const ACTIVITIES: { readonly [A in Action]: Captioned } = {
  read: READ,
  self: READ,
  audit_read: READ,
  write: [3, 'Update'],
  delete: [4, 'Delete'],
  admin: [OTHER, 'Administration'],
};

/** Writes that make something new; all others change what is there. */
export const CREATING: readonly string[] = [
  'oss.memories.add',
  'platform.entities.add',
  'platform.feedback.add',
  'platform.memories.add',
  'platform.v1.memories.add',
];

const LOGON: Captioned = [1, 'Logon'];

export interface Verdict {
  readonly status: Captioned;
  readonly severity: Captioned;
}

const INFORMATIONAL: Captioned = [1, 'Informational'];
const LOW: Captioned = [2, 'Low'];
const MEDIUM: Captioned = [3, 'Medium'];
const HIGH: Captioned = [4, 'High'];
const CRITICAL: Captioned = [5, 'Critical'];
const SUCCESS: Captioned = [1, 'Success'];
const FAILURE: Captioned = [2, 'Failure'];

/** Status and severity of an allowed request, by what became of it. */
export const ALLOWED: { readonly [R in Outcome['result']]: Verdict } = {
  success: { status: SUCCESS, severity: INFORMATIONAL },
  failure: { status: FAILURE, severity: LOW },
  unknown: { status: UNKNOWN, severity: MEDIUM },
};

/** Status and severity of a refused request, by decision. */
export const REFUSED: { readonly [D in Exclude<Decision, 'allow'>]: Verdict } = {
  deny: { status: FAILURE, severity: MEDIUM },
  invalid_request: { status: FAILURE, severity: INFORMATIONAL },
  rate_limited: { status: FAILURE, severity: LOW },
  unauthenticated: { status: FAILURE, severity: LOW },
};

/** An intent is of something that has not happened yet. */
export const INTENT: Verdict = { status: [OTHER, 'Pending'], severity: INFORMATIONAL };

/** What the gateway itself noticed. */
export const NOTICED: Verdict = { status: [OTHER, 'Noticed'], severity: INFORMATIONAL };

/** Events that are more than informational, by reason. */
export const ALARMS: { readonly [reason: string]: Captioned } = {
  isolation_breach: CRITICAL,
  log_fork: CRITICAL,
  key_conflict: HIGH,
  signing_key_changed: MEDIUM,
};

/** Where what identifies nobody, or was not recorded, is named in a place that the schema requires. */
const UNNAMED = 'unknown';
const SERVICE = { name: 'Mem0 Governance Pack' };

/** An event, as JSON. */
export interface OcsfEvent {
  readonly class_uid: number;
  readonly time: number;
  readonly [attribute: string]: Json;
}

/**
 * The event that a record is. Pure and total: every record has one, and the same one each time.
 * @param leaf the record's RFC 6962 leaf hash, hex.
 */
export function ocsfEvent(record: AuditRecord, leaf: string): OcsfEvent {
  const { phase, decision, reasons, outcome, count, time } = record;
  const kind = decision === 'unauthenticated' && phase !== 'event' ? AUTHENTICATION : API_ACTIVITY;
  const [activity_id, activity_name] = activityOf(record, kind);
  const { status, severity } = verdictOf(record);
  return defined({
    ...kind,
    activity_id,
    activity_name,
    type_uid: kind.class_uid * 100 + activity_id,
    type_name: `${kind.class_name}: ${activity_name}`,
    time,
    severity_id: severity[0],
    severity: severity[1],
    status_id: status[0],
    status: status[1],
    status_code: outcome?.status === undefined ? undefined : String(outcome.status),
    status_detail: reasons.length === 0 ? undefined : reasons.join(', '),
    message: messageOf(record),
    count,
    metadata: metadataOf(record),
    actor: actorOf(record),
    ...(kind === AUTHENTICATION ? authenticationOf(record) : apiActivityOf(record)),
    src_endpoint: { name: record.client ?? UNNAMED },
    unmapped: unmappedOf(record, leaf, kind),
  }) as OcsfEvent;
}

function activityOf({ phase, action, operation, reasons }: AuditRecord, kind: OcsfClass): Captioned {
  if (kind === AUTHENTICATION) return LOGON;
  if (phase === 'event') return [OTHER, reasons[0] ?? 'event'];
  if (action === undefined) return UNKNOWN;
  return operation !== undefined && CREATING.includes(operation) ? CREATE : ACTIVITIES[action];
}

function verdictOf({ phase, decision, reasons, outcome }: AuditRecord): Verdict {
  if (phase === 'event') {
    const alarm = reasons.find((reason) => Object.hasOwn(ALARMS, reason));
    return alarm === undefined ? NOTICED : { ...NOTICED, severity: ALARMS[alarm]! };
  }
  if (phase === 'intent') return INTENT;
  return decision === 'allow' ? ALLOWED[outcome?.result ?? 'unknown'] : REFUSED[decision];
}

function messageOf({ phase, decision, operation, outcome, reasons }: AuditRecord): string {
  const what = operation ?? 'a request';
  if (phase === 'event') return `${reasons[0] ?? 'event'}: noticed on ${what}`;
  if (phase === 'intent') return `${what}: about to be forwarded`;
  return `${what}: ${decision}${outcome === undefined ? '' : `, ${outcome.result}`}`;
}

function metadataOf({ v, phase, decision, reasons, log, index, request_id, tenant }: AuditRecord): object {
  return {
    version: OCSF_VERSION,
    product: { ...SERVICE, vendor_name: SERVICE.name },
    uid: `${log}/${index}`,
    log_name: log,
    log_version: String(v),
    sequence: index,
    // The gateway's own id, and not the client's: an intent and its outcome are joined by what nobody can choose.
    correlation_uid: request_id,
    tenant_uid: tenant,
    event_code: `${phase}.${phase === 'event' ? (reasons[0] ?? 'event') : decision}`,
  };
}

function authenticationOf({ actor }: AuditRecord): object {
  return { user: userOf(actor), service: SERVICE, auth_protocol_id: 6, auth_protocol: 'OAUTH 2.0' };
}

function apiActivityOf({ operation, request_id, outcome, resource }: AuditRecord): object {
  return {
    api: {
      operation: operation ?? UNNAMED,
      service: SERVICE,
      request: { uid: request_id },
      response: outcome?.status === undefined ? undefined : { code: outcome.status },
    },
    resources: resource?.ids?.map((uid) => ({ uid })),
  };
}

type Actor = NonNullable<AuditRecord['actor']>;

function actorOf({ actor, acting_party, session }: AuditRecord): object {
  return {
    user: userOf(actor),
    idp: actor && { uid: actor.issuer, issuer: actor.issuer },
    session: session === undefined ? undefined : { uid: session, issuer: actor?.issuer },
    app_uid: acting_party,
  };
}

function userOf(actor: Actor | undefined): object {
  return actor === undefined ? { name: UNNAMED, type_id: 0, type: 'Unknown' } : { uid: actor.sub };
}

/** Everything of a record that has no attribute, by its own name. */
function unmappedOf(record: AuditRecord, leaf: string, kind: OcsfClass): object {
  const { phase, decision, reasons, correlation, roles, action, dialect, resource, outcome } = record;
  const { intent, policy, input, agent, detail, was } = record;
  const { status: _, ...measured } = outcome ?? {};
  const { ids, ...counted } = resource ?? {};
  // An authentication has neither an API nor resources.
  const apart = kind === AUTHENTICATION ? { operation: record.operation, ids } : {};
  return {
    leaf,
    ...{
      phase,
      decision,
      reasons,
      correlation,
      roles,
      action,
      dialect,
      intent,
      policy,
      input,
      agent,
      detail,
      was,
    },
    outcome: outcome && measured,
    resource: Object.keys(counted).length === 0 ? undefined : counted,
    ...apart,
  };
}

/** Without members that have no value: JSON has no such thing. */
function defined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(defined);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      member === undefined ? [] : [[name, defined(member)]],
    ),
  );
}
