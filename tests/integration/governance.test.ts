import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AuditRecord, leafHash } from '../../core/record.ts';
import { ANSWERS } from '../../worker/governance/openapi.ts';
import { type FakeMem0, MEMORY_ID, memoryRow, startFakeMem0 } from '../fakes/mem0.ts';
import { type Answer, type Rig, startRig } from './rig.ts';

// The governance API on the running gateway: a real Postgres below, and a Mem0 that counts who asks.

let mem0: FakeMem0;
let rig: Rig;
let writer: string;
let reader: string;
let auditor: string;
let foreign: string;

beforeAll(async () => {
  mem0 = await startFakeMem0({
    responder: (_request, response) => {
      const body = JSON.stringify({ results: [memoryRow({ user_id: 'acme:bob' })] });
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    },
  });
  rig = await startRig({ mem0: { url: mem0.url, apiKey: 'upstream-key' } });
  writer = await rig.token('acme', 'agent-writer', 'wendy');
  reader = await rig.token('acme', 'agent-reader', 'rita');
  auditor = await rig.token('acme', 'auditor', 'audrey');
  foreign = await rig.token('globex', 'admin', 'gus');
});

afterAll(async () => {
  await rig?.stop();
  await mem0?.stop();
});

const audit = (query = '', token = auditor) => rig.call('GET', `/governance/v1/audit${query}`, token);
const placeOf = (answer: Answer) => answer.headers.get('audit-record')!.split(';')[0]!;
/** Waits until Postgres has the record that an answer names. */
const stored = (answer: Answer) =>
  rig.recorded((all) => all.some(({ log, index }) => `${log}/${index}` === placeOf(answer)));

function fits(operation: string, answer: Answer): void {
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
  ANSWERS[operation]!.schema.parse(answer.json);
}

describe('reading the audit log', () => {
  it('gives the tenant’s own records, newest first, and says how far each log is complete', async () => {
    await rig.call('GET', '/memories?user_id=bob', reader);
    const denied = await rig.call('DELETE', '/memories?user_id=bob', reader);
    await rig.call('GET', '/memories?user_id=bob', foreign);
    await stored(denied);
    const answer = await audit();
    fits('governance.audit.list', answer);
    const { records, logs } = answer.json;
    expect(records.every(({ record }: { record: { tenant: string } }) => record.tenant === 'acme')).toBe(
      true,
    );
    expect(records[0].record).toMatchObject({
      operation: 'oss.memories.delete_all',
      decision: 'deny',
      actor: { sub: 'rita' },
    });
    expect(records[1].record).toMatchObject({ operation: 'oss.memories.list', decision: 'allow' });
    expect(logs).toEqual([{ log: 'acme~0~1', complete_to: records[0].index, quarantined: 0 }]);
  });

  it('is itself recorded', async () => {
    const first = await audit('?limit=1');
    await stored(first);
    const [index] = placeOf(first).split('/').slice(1);
    const second = await audit('?action=audit_read&limit=1');
    expect(second.json.records[0]).toMatchObject({
      index: Number(index),
      record: { operation: 'governance.audit.list', action: 'audit_read', actor: { sub: 'audrey' } },
    });
  });

  it('restricts by each parameter', async () => {
    const id = (await rig.call('GET', `/memories/${MEMORY_ID}`, reader)).headers.get('x-request-id')!;
    const change = await rig.call('PUT', `/memories/${MEMORY_ID}`, writer, { text: 'x' });
    await stored(change);
    const all = (await audit('?limit=500')).json.records as { record: Record<string, unknown> }[];
    const cases: [string, (record: Record<string, unknown>) => boolean][] = [
      ['actor=wendy', ({ actor }) => (actor as { sub: string }).sub === 'wendy'],
      ['action=write', ({ action }) => action === 'write'],
      ['decision=deny', ({ decision }) => decision === 'deny'],
      [`request_id=${id}`, ({ request_id }) => request_id === id],
    ];
    for (const [query, keeps] of cases) {
      const { json } = await audit(`?limit=500&${query}`);
      const found = json.records.map(({ record }: { record: { request_id: string } }) => record);
      expect(found.length, query).toBeGreaterThan(0);
      for (const record of all.map(({ record: each }) => each).filter(keeps)) {
        expect(found, query).toContainEqual(record);
      }
      expect(found.every(keeps), query).toBe(true);
    }
  });

  it('finds by the id of a memory and of a user, which no record names in clear', async () => {
    const listed = await rig.call('GET', '/memories?user_id=carol', reader);
    await stored(listed);
    const { json } = await audit('?resource_id=carol');
    expect(json.records).toHaveLength(1);
    expect(json.records[0].index).toBe(Number(placeOf(listed).split('/')[1]));
    expect(JSON.stringify(json)).not.toContain('carol');
    expect((await audit('?resource_id=nobody')).json.records).toEqual([]);
    const byMemory = await audit(`?resource_id=${MEMORY_ID}`);
    expect(byMemory.json.records.length).toBeGreaterThan(0);
    for (const { record } of byMemory.json.records) expect(record.resource.ids).toContain(MEMORY_ID);
  });

  it('restricts by period: from belongs to it, to does not', async () => {
    const { records } = (await audit('?limit=3')).json;
    const at = new Date(records[1].record.time).toISOString();
    const since = (await audit(`?from=${at}&limit=500`)).json.records;
    expect(since.every(({ record }: { record: { time: number } }) => record.time >= records[1].record.time));
    expect(since).toContainEqual(records[1]);
    const before = (await audit(`?to=${at}&limit=500`)).json.records;
    expect(before).not.toContainEqual(records[1]);
    expect(before.every(({ record }: { record: { time: number } }) => record.time < records[1].record.time));
  });

  it('pages without a gap or a repetition while records are added', async () => {
    const asked = '?actor=rita';
    const seen: string[] = [];
    let cursor: string | null = '';
    const whole = (await audit(`${asked}&limit=500`)).json.records;
    for (let limit = 1; cursor !== null; limit = 2) {
      const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { json, status } = await audit(`${asked}&limit=${limit}${next}`);
      expect(status).toBe(200);
      expect(json.records.length).toBeLessThanOrEqual(limit);
      seen.push(...json.records.map(({ log, index }: { log: string; index: number }) => `${log}/${index}`));
      cursor = json.next_cursor;
      await rig.call('GET', '/memories?user_id=bob', reader);
    }
    expect(seen).toEqual(whole.map(({ log, index }: { log: string; index: number }) => `${log}/${index}`));
    expect(seen.length).toBeGreaterThan(3);
  });

  it.each([
    ['tenant=globex', undefined],
    ['limit=0', '/limit'],
    ['limit=501', '/limit'],
    ['limit=ten', '/limit'],
    ['from=yesterday', '/from'],
    ['from=2026-01-01', '/from'],
    ['to=2026-01-01T00:00:00', '/to'],
    ['from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '/to'],
    ['action=reset', '/action'],
    ['decision=maybe', '/decision'],
    ['request_id=1', '/request_id'],
    ['resource_id=', '/resource_id'],
    ['cursor=AAAA', '/cursor'],
    [`cursor=${Buffer.from('["x",1,"globex~0~1",0]').toString('base64url')}`, '/cursor'],
    ['limit=1&limit=2', undefined],
  ])('refuses ?%s', async (query, pointer) => {
    const answer = await audit(`?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({ code: 'invalid_query', ...(pointer ? { pointer } : {}) });
  });

  it('does not go on with another question’s cursor', async () => {
    const { next_cursor: cursor } = (await audit('?limit=1')).json;
    expect((await audit(`?limit=1&cursor=${cursor}`)).status).toBe(200);
    expect((await audit(`?limit=1&actor=wendy&cursor=${cursor}`)).json).toMatchObject({ pointer: '/cursor' });
  });

  it('takes what looks like SQL for the text that it is', async () => {
    for (const text of ["' or 1=1 --", '$1', 'a"b', "acme'); select 1; --"]) {
      const query = new URLSearchParams({ actor: text, resource_id: text });
      expect((await audit(`?${query}`)).json).toMatchObject({ records: [] });
    }
  });

  it('is 503 while the database is away, recorded, and well again after', async () => {
    await rig.neon.stop();
    const answer = await audit();
    expect(answer).toMatchObject({ status: 503, json: { code: 'audit_unreadable' } });
    expect(answer.headers.get('audit-record')).toMatch(/^acme~0~1\//);
    await rig.restartNeon();
    expect((await audit()).status).toBe(200);
  });
});

describe('one record', () => {
  it('comes with the text that was hashed, from the log before Postgres has it and from there after', async () => {
    await rig.neon.stop();
    const read = await rig.call('GET', '/memories?user_id=bob', reader);
    const path = `/governance/v1/receipts/${placeOf(read)}`;
    expect(await rig.call('GET', path, reader)).toMatchObject({ status: 503 });
    await rig.restartNeon();
    const early = await rig.call('GET', path, reader);
    fits('governance.receipts.get', early);
    expect(`${leafHash(Buffer.from(early.json.canonical))}`).toBe(
      read.headers.get('audit-record')!.split(';')[1],
    );
    await stored(read);
    const late = await rig.call('GET', path, reader);
    expect(late.json).toEqual({ ...early.json, stored: 'postgres' });
    const read2 = await rig.call('GET', `/governance/v1/audit/${placeOf(read)}`, auditor);
    fits('governance.audit.get', read2);
    expect(read2.json).toEqual(late.json);
    const [own] = (await stored(read2)).filter(({ log, index }) => `${log}/${index}` === placeOf(read2));
    expect(own).toMatchObject({ operation: 'governance.audit.get', resource: { ids: [placeOf(read)] } });
  });

  it('of another tenant and one that is not there are answered alike', async () => {
    const theirs = await rig.call('GET', '/memories?user_id=bob', foreign);
    await stored(theirs);
    const strip = ({ status, json: { request_id: _, ...rest } }: Answer) => ({ status, rest });
    for (const [kind, token] of [
      ['audit', auditor],
      ['receipts', writer],
    ] as const) {
      const path = (place: string) => `/governance/v1/${kind}/${place}`;
      const absent = strip(await rig.call('GET', path('acme~0~1/99999999'), token));
      expect(absent.status).toBe(404);
      for (const place of [
        placeOf(theirs),
        'globex~0~1/99999999',
        'globex~7~3/0',
        'nobody~0~1/0',
        '~strangers~0~1/0',
        'acme~63~1/0',
        'acme~0~9/0',
      ]) {
        expect(strip(await rig.call('GET', path(place), token)), place).toEqual(absent);
      }
    }
    const mismatch = ({ operation, reasons }: AuditRecord) =>
      operation === 'governance.receipts.get' && reasons.includes('tenant_mismatch');
    const denied = (await rig.recorded((all) => all.some(mismatch))).find(mismatch)!;
    expect(denied).toMatchObject({ tenant: 'acme', decision: 'deny' });
  });

  it('of somebody else is no receipt of one’s own, and an event is nobody’s', async () => {
    const read = await rig.call('GET', '/memories?user_id=bob', reader);
    expect((await rig.call('GET', `/governance/v1/receipts/${placeOf(read)}`, writer)).status).toBe(404);
    expect((await rig.call('GET', `/governance/v1/receipts/${placeOf(read)}`, reader)).status).toBe(200);
    mem0.respond((_request, response) => {
      const body = JSON.stringify({ results: [memoryRow({ user_id: 'globex:bob' })] });
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    });
    const breach = await rig.call('GET', '/memories?user_id=bob', reader);
    const id = breach.headers.get('x-request-id');
    const isEvent = ({ phase, request_id }: AuditRecord) => phase === 'event' && request_id === id;
    const event = (await rig.recorded((all) => all.some(isEvent))).find(isEvent)!;
    const path = `/${event.log}/${event.index}`;
    expect((await rig.call('GET', `/governance/v1/receipts${path}`, reader)).status).toBe(404);
    expect((await rig.call('GET', `/governance/v1/audit${path}`, auditor)).status).toBe(200);
  });

  it('that the database could only keep as bytes is counted, and read by its place', async () => {
    const canonical = '{"actor":{"issuer":"i","sub":"s"},"log":"acme~5~1","phase":"outcome","tenant":"acme"}';
    const writer = await rig.database.as('audit_writer');
    const bytes = Buffer.from(canonical);
    await writer.query("select head from audit.quarantine('acme~5~1', 0, $1, '22P05')", [bytes]);
    const { logs } = (await audit('?limit=1')).json;
    expect(logs).toContainEqual({ log: 'acme~5~1', complete_to: 0, quarantined: 1 });
    const one = await rig.call('GET', '/governance/v1/audit/acme~5~1/0', auditor);
    fits('governance.audit.get', one);
    expect(one.json).toMatchObject({ canonical, leaf: leafHash(bytes), stored: 'postgres' });
  });

  it.each(['acme/0', 'acme~0~1/-1', 'acme~0~1/01', 'acme~0~1/1e3', 'acme~0~0/1', 'ac me~0~1/1'])(
    'refuses a malformed place: %s',
    async (place) => {
      const answer = await rig.call('GET', `/governance/v1/audit/${encodeURI(place)}`, auditor);
      expect([400, 404]).toContain(answer.status);
      expect(answer.status === 400 || place === 'acme/0').toBe(true);
    },
  );
});
