import { ocsfEvent } from '../../core/ocsf.ts';
import { PERSONAL_KINDS, type PersonalValue } from '../../core/personal.ts';
import type { AuditRecord, Place } from '../../core/record.ts';
import { type Personal, type PseudonymKey, pseudonymOf } from '../audit/personal.ts';
import { type Format, readAuditQuery } from '../governance/audit-query.ts';
import type { ArchivedRecord, AuditReader, AuditRow, FoundRecord } from '../governance/audit-reader.ts';
import type { AuditEventsAnswer, AuditPageAnswer, StoredRecordAnswer } from '../governance/schemas.ts';
import type { Subjects } from '../governance/subjects.ts';
import { REASONS } from '../mem0/reasons.ts';
import { invalid } from '../mem0/understand.ts';
import type { Governed, GovernedHandler } from '../pipeline/govern.ts';
import { Problem } from '../problem.ts';
import { readable } from './readable.ts';

interface AuditRoutes {
  readonly reader: AuditReader;
  readonly personal: Personal;
  readonly subjects: Subjects;
  readonly pseudonyms: PseudonymKey | undefined;
}

/** `GET /governance/v1/audit`: a page of the tenant's records. */
export function listAudit(routes: AuditRoutes): GovernedHandler {
  const { reader, personal } = routes;
  return async ({ request, principal }) => {
    const read = readAuditQuery(request.query);
    if (!read.ok) {
      const { reason, pointer } = read;
      throw invalid('invalid_query', reason, { detail: REASONS[reason], pointer });
    }
    const { query, format, cursorOf } = read;
    const { rows, logs } = await readable(async () =>
      reader.page(principal.tenant, query, await namesOf(routes, principal.tenant, query.resourceId)),
    );
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    const ends = {
      logs: logs.map(({ log, head, quarantined }) => ({
        log,
        complete_to: head === 0 ? null : head - 1,
        quarantined,
      })),
      next_cursor: last !== undefined && rows.length > page.length ? cursorOf(last) : null,
    };
    const resolved = await resolve(personal, principal.tenant, request.query, page);
    return { body: { ...PAGES[format](page), ...ends, ...resolved.members }, touched: resolved.tokens };
  };
}

type PageOf<A> = Omit<A, 'logs' | 'next_cursor'>;

const PAGES: {
  readonly [F in Format]: (page: readonly AuditRow[]) => PageOf<AuditPageAnswer> | PageOf<AuditEventsAnswer>;
} = {
  native: (page) => ({
    records: page.map(({ log, index, leaf, canonical }) => ({
      log,
      index,
      leaf,
      record: JSON.parse(canonical) as AuditPageAnswer['records'][number]['record'],
    })),
  }),
  ocsf: (page) => ({
    events: page.map(({ leaf, canonical }) => ocsfEvent(JSON.parse(canonical) as AuditRecord, leaf)),
  }),
};

/** What an id may be called in a record: a memory's by itself, anything personal by its token, or its old pseudonym. */
async function namesOf(
  { personal, subjects, pseudonyms }: AuditRoutes,
  tenant: string,
  id: string | undefined,
): Promise<readonly string[]> {
  if (id === undefined) return [];
  const values = PERSONAL_KINDS.map((kind) => ({ kind, value: id }));
  const tokens = (await personal.known(tenant, values)).flat();
  const key = pseudonyms && !(await subjects.retired(tenant, pseudonyms.id)) ? pseudonyms : undefined;
  return [...tokens, ...(key ? values.map((value) => pseudonymOf(key, tenant, value)) : [])];
}

const TOKENS = /"(p1\.[A-Za-z0-9_-]{22})"/g;

/** What tokens of records stand for, where that is asked for. The record of the request names what was resolved. */
async function resolve(
  personal: Personal,
  tenant: string,
  query: Governed['request']['query'],
  records: readonly { readonly canonical: string }[],
): Promise<{ members: { resolved?: { [token: string]: PersonalValue } }; tokens: readonly string[] }> {
  if (query.resolve !== 'true') return { members: {}, tokens: [] };
  const tokens = new Set(
    records.flatMap(({ canonical }) => [...canonical.matchAll(TOKENS)].map(([, token]) => token!)),
  );
  const values = await readable(() => personal.resolve(tenant, [...tokens]));
  return { members: { resolved: Object.fromEntries(values) }, tokens: [...values.keys()] };
}

/** `GET /governance/v1/audit/{log}/{index}`: one record of the tenant. */
export function getAudit({ reader, personal }: Pick<AuditRoutes, 'reader' | 'personal'>): GovernedHandler {
  return async (governed) => {
    const found = await findRecord(reader, governed);
    const { principal, request } = governed;
    const resolved = await resolve(personal, principal.tenant, request.query, [found]);
    const { body, touched } = storedRecord(found);
    return { body: { ...body, ...resolved.members }, touched: [...touched, ...resolved.tokens] };
  };
}

/** `GET /governance/v1/receipts/{log}/{index}`: the record of one of the caller's own requests. */
export function getReceipt({ reader }: Pick<AuditRoutes, 'reader'>): GovernedHandler {
  return async (governed) => {
    return storedRecord(await findOwn(reader, governed));
  };
}

/** The record of one of the caller's own requests. @throws Problem when there is none. */
export async function findOwn(reader: AuditReader, governed: Governed): Promise<FoundRecord> {
  const found = await findRecord(reader, governed);
  const { actor, phase } = JSON.parse(found.canonical) as AuditRecord;
  const { issuer, subject } = governed.principal;
  // An event says what the gateway noticed about a request; that is the auditor's and not the caller's.
  const own = actor?.issuer === issuer && actor.sub === subject && phase !== 'event';
  if (!own) throw missing('not_own_record');
  return found;
}

/** The record that a path names, within the caller's tenant. @throws Problem when there is none here. */
export async function findRecord(reader: AuditReader, governed: Governed): Promise<FoundRecord> {
  const found = await findPlace(reader, governed);
  if (!('archive' in found)) return found;
  const { name, sha256 } = found.archive;
  throw new Problem('record_archived', {
    ...{ reason: 'record_archived', decision: 'deny' },
    detail: `The record is in the archive ${name}, whose SHA-256 is ${sha256}.`,
  });
}

/** The same, also where the record itself has been archived. @throws Problem when there is none. */
export async function findPlace(
  reader: AuditReader,
  { request, principal }: Governed,
): Promise<FoundRecord | ArchivedRecord> {
  const place: Place = { log: request.params.log!, index: Number(request.params.index) };
  const found = await readable(() => reader.record(principal.tenant, place));
  if (found === undefined) throw missing('no_record');
  return found;
}

function storedRecord(found: FoundRecord): { body: StoredRecordAnswer; touched: readonly string[] } {
  return { body: found, touched: [`${found.log}/${found.index}`] };
}

/** The same for a record that is not there, not the caller's, and of another tenant's log. */
export function missing(reason: string): Problem {
  return new Problem('not_found', { reason, decision: 'deny' });
}
