/**
 * The operator's log: one JSON line per event, written from an allow-list of events and fields. Values are
 * numbers, booleans and short words of our own; nothing that a caller or Mem0 sent is among them.
 */
const EVENTS = {
  misconfigured: ['problems'],
  internal_error: ['request_id', 'stage', 'error'],
  keys_unavailable: ['issuer_index', 'reason'],
  gate_unavailable: ['request_id'],
  audit_append_failed: ['request_id', 'code', 'attempts'],
  audit_outcome_lost: ['request_id', 'log', 'index'],
  isolation_breach: ['request_id', 'operation', 'rows'],
  policy_unreadable: ['request_id'],
  audit_fork: ['log', 'size', 'head', 'cause'],
  audit_flush_failed: ['log', 'failure', 'failures'],
  audit_quarantined: ['log', 'index', 'sqlstate'],
  audit_database_back: ['log', 'head', 'flushed'],
  audit_recovered: ['log', 'size'],
  partitions_failed: ['failure'],
  object_failed: ['object', 'error'],
} as const satisfies { [event: string]: readonly string[] };

export type LogEvent = keyof typeof EVENTS;
export type LogFields = { readonly [name: string]: string | number | boolean };

/** Writes one line; fields that the event does not list are dropped. */
export function log(event: LogEvent, fields: LogFields = {}): void {
  const line: { [name: string]: string | number | boolean } = { event };
  for (const name of EVENTS[event]) {
    const value = fields[name];
    if (value !== undefined) line[name] = typeof value === 'string' ? value.slice(0, 500) : value;
  }
  console.log(JSON.stringify(line));
}

/** For parts that name their events as plain strings: an event that is not in the table is dropped. */
export function logNamed(event: string, fields: LogFields): void {
  if (Object.hasOwn(EVENTS, event)) log(event as LogEvent, fields);
}
