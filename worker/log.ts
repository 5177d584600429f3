/**
 * The operator's log: one JSON line per event, written from an allow-list of events and fields. Values are
 * numbers, booleans and short words of our own; nothing that a caller or Mem0 sent is among them.
 */
interface LogEventRow {
  readonly fields: readonly string[];
  /** For the operator: what happened. */
  readonly means: string;
  /** And what to do about it. */
  readonly remedy: string;
}

export const EVENTS = {
  misconfigured: {
    fields: ['problems'],
    means: 'A setting is missing or bad; every request is answered 503.',
    remedy: 'Mend what it lists, and deploy again. `npm run doctor` finds it before a deploy.',
  },
  internal_error: {
    fields: ['request_id', 'error'],
    means: 'A request ended in an exception of the gateway. It was refused and recorded.',
    remedy: 'Report it with the request id.',
  },
  keys_unavailable: {
    fields: ['request_id', 'reason'],
    means: 'An issuer’s keys cannot be fetched, and those that are held are too old.',
    remedy: 'Look at the identity provider and at `jwks_url` in ISSUERS.',
  },
  gate_unavailable: {
    fields: ['request_id'],
    means: 'An actor’s gate did not answer; the request was refused.',
    remedy:
      'It passes by itself after a deploy or a move of the object. If it stays, look at the platform’s status.',
  },
  audit_append_failed: {
    fields: ['request_id', 'code'],
    means: 'A record could not be made durable; the request was refused.',
    remedy:
      '`full`: Postgres has not taken records for long, see audit_flush_failed. `forked`: see audit_fork. `unreachable`: as gate_unavailable.',
  },
  audit_outcome_lost: {
    fields: ['request_id', 'log', 'index'],
    means:
      'A change was forwarded, and its outcome could not be recorded. The intent stands at log and index.',
    remedy: 'Ask Mem0 what became of it. The log closes the intent as `unknown` after ORPHAN_AFTER_MS.',
  },
  isolation_breach: {
    fields: ['request_id', 'operation', 'rows'],
    means:
      'Mem0 answered with rows of another tenant, or of nobody. They were withheld, and an event was recorded.',
    remedy:
      'Find out how the rows came there: another way into Mem0 than this gateway, or a fault of Mem0’s.',
  },
  policy_unreadable: {
    fields: ['request_id'],
    means: 'The policy threw, or answered what is no decision. The request was denied.',
    remedy: 'Look at the last change of the policies; `npm run policy:check`.',
  },
  audit_fork: {
    fields: ['log', 'size', 'head', 'cause'],
    means:
      'A log and Postgres contradict each other. The log acknowledges nothing, and its requests get 503.',
    remedy: 'Do not write to the database. See the troubleshooting of forks.',
  },
  audit_recovery: {
    fields: ['log', 'head', 'cause'],
    means:
      'The fork has lasted, and the log goes on in its next epoch. Its requests get 503 until audit_recovered.',
    remedy: 'None, but to know why storage went back. See the troubleshooting of forks.',
  },
  audit_flush_failed: {
    fields: ['log', 'failure', 'failures'],
    means: 'Postgres did not take a batch. Records wait in the log, and requests go on.',
    remedy:
      'Act when it repeats: look at the database, and at AUDIT_MAX_UNFLUSHED_BYTES for the time that is left.',
  },
  audit_quarantined: {
    fields: ['log', 'index', 'sqlstate'],
    means: 'Postgres refused one record for good; it is kept there as bytes, in its place of the log.',
    remedy: 'Read it by log and index, and report it with the SQLSTATE.',
  },
  audit_database_back: {
    fields: ['log', 'head', 'flushed'],
    means: 'Postgres lost records that it had confirmed, as after a restore. They are being sent again.',
    remedy: 'None, if somebody restored the database; else find out who did.',
  },
  audit_checkpoint_failed: {
    fields: ['log', 'failure', 'failures'],
    means: 'A checkpoint could not be signed or stored. Records are kept as ever, and it is tried again.',
    remedy:
      '`not_an_extension`, `not_signed_here`, `another_checkpoint` and `sql_AL003`: the stored checkpoint contradicts the log; find out who wrote it. `not_packed`, `not_taken_in`, `key_not_covered`, `another_epoch`, `busy`: none, it passes. Else as audit_flush_failed.',
  },
  vault_copy_failed: {
    fields: ['failures'],
    means: 'Personal values, or what was erased of them, could not be copied to Postgres. It is tried again.',
    remedy:
      'As audit_flush_failed. Until it succeeds, a value that was erased may still lie there, encrypted.',
  },
  vault_rekey_failed: {
    fields: ['rows', 'error'],
    means:
      'So many personal values could not be put under the current key. The others go on, and it is tried again.',
    remedy: 'Leave the old key in AUDIT_VAULT_KEYS, and report it when it repeats.',
  },
  rekey_failed: {
    fields: [],
    means:
      'Which personal values an old key still encrypts could not be looked up. It is tried again the next night.',
    remedy: 'None, unless a key is to be taken out: look at the database then.',
  },
  audit_recovered: {
    fields: ['log', 'size'],
    means: 'A log and Postgres agree again.',
    remedy: 'None.',
  },
  partitions_failed: {
    fields: ['failure'],
    means: 'The tables of the coming months could not be made.',
    remedy:
      'None at once: there are three months ahead, and flushing makes what is missing. Look at the database when it repeats.',
  },
  object_failed: {
    fields: ['object', 'error'],
    means: 'A Durable Object’s alarm ended in an exception. It is set again.',
    remedy: 'Report it when it repeats.',
  },
} as const satisfies { [event: string]: LogEventRow };

export type LogEvent = keyof typeof EVENTS;
export type LogFields = { readonly [name: string]: string | number | boolean };

/** Writes one line; fields that the event does not list are dropped. */
export function log(event: LogEvent, fields: LogFields = {}): void {
  const line: { [name: string]: string | number | boolean } = { event };
  for (const name of EVENTS[event].fields) {
    const value = fields[name];
    if (value !== undefined) line[name] = typeof value === 'string' ? value.slice(0, 500) : value;
  }
  console.log(JSON.stringify(line));
}

/** For parts that name their events as plain strings: an event that is not in the table is dropped. */
export function logNamed(event: string, fields: LogFields): void {
  if (Object.hasOwn(EVENTS, event)) log(event as LogEvent, fields);
}
