import { createHash } from 'node:crypto';
import { canonical } from '../../core/canonical.ts';
import { parseLogName } from '../../core/names.ts';
import type { ValidRequest } from '../mem0/validate.ts';

/** Where a page ended: the record that it gave last. */
export interface Position {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly log: string;
  readonly index: number;
}

/** A question to the audit log, within one tenant. Absent members do not restrict. */
export interface AuditQuery {
  /** Milliseconds since the epoch; `from` belongs to the period, `to` does not. */
  readonly from?: number;
  readonly to?: number;
  readonly actor?: string;
  readonly action?: string;
  readonly decision?: string;
  readonly requestId?: string;
  readonly resourceId?: string;
  readonly limit: number;
  readonly after?: Position;
}

/** How records are given: as they are, or as events of the Open Cybersecurity Schema Framework. */
export const FORMATS = ['native', 'ocsf'] as const;
export type Format = (typeof FORMATS)[number];

const DEFAULT_LIMIT = 50;

export type ReadQuery =
  | {
      readonly ok: true;
      readonly query: AuditQuery;
      readonly format: Format;
      readonly cursorOf: (position: Position) => string;
    }
  | { readonly ok: false; readonly reason: 'not_a_cursor' | 'period_empty'; readonly pointer: string };

/** Reads the query of `governance.audit.list`, which its catalogue row has validated. */
export function readAuditQuery(given: ValidRequest['query']): ReadQuery {
  const { cursor, ...filters } = given;
  const from = timeOf(given.from);
  const to = timeOf(given.to);
  if (from !== undefined && to !== undefined && to < from) {
    return { ok: false, reason: 'period_empty', pointer: '/to' };
  }
  // Limit, format and resolution may differ from page to page; what is asked for may not.
  const { limit, format, resolve: _, ...asked } = filters;
  const binding = createHash('sha256').update(canonical(asked)).digest('base64url').slice(0, 16);
  const after = cursor === undefined ? undefined : readCursor(cursor, binding);
  if (cursor !== undefined && after === undefined) {
    return { ok: false, reason: 'not_a_cursor', pointer: '/cursor' };
  }
  const query = {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(given.actor === undefined ? {} : { actor: given.actor }),
    ...(given.action === undefined ? {} : { action: given.action }),
    ...(given.decision === undefined ? {} : { decision: given.decision }),
    ...(given.request_id === undefined ? {} : { requestId: given.request_id }),
    ...(given.resource_id === undefined ? {} : { resourceId: given.resource_id }),
    limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
    ...(after === undefined ? {} : { after }),
  };
  return {
    ok: true,
    query,
    format: FORMATS.find((name) => name === format) ?? 'native',
    cursorOf: (position) => writeCursor(position, binding),
  };
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

/** Opaque to callers. Bound to what was asked, so that no page of one question continues another. */
function writeCursor({ time, log, index }: Position, binding: string): string {
  return Buffer.from(JSON.stringify([binding, time, log, index])).toString('base64url');
}

function readCursor(cursor: string, expected: string): Position | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [binding, time, log, index] = value as unknown[];
  if (binding !== expected || typeof log !== 'string' || !parseLogName(log)) return undefined;
  if (!isCount(time) || !isCount(index)) return undefined;
  return { time, log, index };
}

/** Times end with what a Date can hold. */
function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 8.64e15;
}

/** A part of a statement: text with `?` where its values go, in order. */
interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const at = (time: number): Condition['values'] => [time];

/**
 * The statement for a page: one row more than its limit, so that it shows whether another follows. `tokens` are
 * what `resourceId` may be called in a record. Every value is a parameter.
 */
export function pageStatement(
  query: AuditQuery,
  tokens: readonly string[],
): { readonly text: string; readonly values: readonly (string | number)[] } {
  const { from, to, after } = query;
  const conditions: Condition[] = [
    ...(from === undefined ? [] : [{ sql: 'at >= to_timestamp(?::bigint / 1000.0)', values: at(from) }]),
    ...(to === undefined ? [] : [{ sql: 'at < to_timestamp(?::bigint / 1000.0)', values: at(to) }]),
    ...equals('actor_sub', query.actor),
    ...equals('action', query.action),
    ...equals('decision', query.decision),
    ...equals('request_id', query.requestId),
    ...(query.resourceId === undefined
      ? []
      : [
          {
            sql: `(canonical::jsonb #> '{resource,ids}' ?? array(select jsonb_array_elements_text(?::jsonb))
              or array[canonical::jsonb ->> 'client', canonical::jsonb ->> 'agent']
                && array(select jsonb_array_elements_text(?::jsonb)))`,
            values: [JSON.stringify([query.resourceId, ...tokens]), JSON.stringify(tokens)],
          },
        ]),
    ...(after === undefined
      ? []
      : [
          {
            sql: '(at, log, index) < (to_timestamp(?::bigint / 1000.0), ?::text collate "C", ?::bigint)',
            values: [after.time, after.log, after.index],
          },
        ]),
  ];
  const where = conditions.length === 0 ? '' : `where ${conditions.map(({ sql }) => sql).join(' and ')}`;
  let parameter = 0;
  const text = `select log, index::text, time_ms::text, canonical, encode(leaf, 'hex') as leaf from audit.record ${where} order by at desc, log desc, index desc limit ?::bigint`;
  return {
    // A doubled question mark is the operator of that name.
    text: text.replace(/\?\??/g, (mark) => (mark === '??' ? '?|' : `$${++parameter}`)),
    values: [...conditions.flatMap(({ values }) => values), query.limit + 1],
  };
}

function equals(column: string, value: string | undefined): Condition[] {
  return value === undefined ? [] : [{ sql: `${column} = ?::text`, values: [value] }];
}
