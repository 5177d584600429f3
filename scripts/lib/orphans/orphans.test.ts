import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../core/record.ts';
import { judge, type Memory, memoriesToAsk, type Orphan, orphansOf } from './orphans.ts';
import { tableOf, unsettled } from './report.ts';

const BEGAN = Date.UTC(2026, 10, 1);
const ID = '8f14e45f-ceea-4672-8a5b-1f3e5a7c9d21';
const OTHER = '11111111-1111-4111-8111-111111111111';
const TOKEN = 'k1.abcdefghijklmnopqrstuv';

const intent: AuditRecord = {
  v: 1,
  phase: 'intent',
  request_id: 'r-1',
  tenant: 'acme',
  actor: { issuer: 'https://idp', sub: 'ann' },
  action: 'delete',
  operation: 'oss.memories.delete',
  resource: { ids: [ID] },
  decision: 'allow',
  reasons: ['role_allows'],
  log: 'acme~0~1',
  index: 4,
  time: BEGAN,
};
const closing = (
  phase: 'outcome' | 'correction',
  result: 'success' | 'failure' | 'unknown',
): AuditRecord => ({
  ...intent,
  phase,
  index: 9,
  time: BEGAN + 180_000,
  intent: { log: 'acme~0~1', index: 4 },
  outcome: { result },
  reasons: ['orphaned'],
});
const at = (now: number) => ({ now, orphanAfterMs: 180_000 });
const late = at(BEGAN + 180_000);

describe('orphans', () => {
  it('are intents without an outcome, once they are old enough', () => {
    expect(orphansOf([intent], at(BEGAN + 179_999))).toEqual([]);
    expect(orphansOf([intent], late)).toEqual([
      {
        request_id: 'r-1',
        intent: { log: 'acme~0~1', index: 4 },
        time: '2026-11-01T00:00:00.000Z',
        actor: 'ann',
        action: 'delete',
        operation: 'oss.memories.delete',
        ids: [ID],
        state: 'open',
        reasons: [],
      },
    ]);
  });

  it.each([
    ['is none when the outcome is known', [closing('outcome', 'failure')], []],
    ['is unknown when the outcome says so', [closing('outcome', 'unknown')], [['unknown', undefined]]],
    [
      'is corrected when a later record knows',
      [closing('outcome', 'unknown'), closing('correction', 'success')],
      [['corrected', 'success']],
    ],
    [
      'is unknown still when the correction knows nothing either',
      [closing('outcome', 'unknown'), closing('correction', 'unknown')],
      [['unknown', undefined]],
    ],
  ] as const)('%s', (_what, more, expected) => {
    const found = orphansOf([intent, ...more], at(BEGAN));
    expect(found.map(({ state, result }) => [state, result])).toEqual(expected);
  });

  it('are found by their outcome alone, with the place of the intent', () => {
    expect(orphansOf([closing('outcome', 'unknown')], late)).toMatchObject([
      { intent: { log: 'acme~0~1', index: 4 }, state: 'unknown', reasons: ['orphaned'] },
    ]);
    expect(orphansOf([closing('outcome', 'unknown')], late)[0]).not.toHaveProperty('time');
  });

  it('of several requests come oldest first, and a request is listed once', () => {
    const again = { ...intent, log: 'acme~0~2', index: 1, was: { log: 'acme~0~1', index: 4, time: BEGAN } };
    const older = { ...intent, request_id: 'r-0', time: BEGAN - 1, index: 3 };
    expect(orphansOf([intent, again, older], late).map(({ request_id }) => request_id)).toEqual([
      'r-0',
      'r-1',
    ]);
  });

  it('say when they touched more than they name', () => {
    const of = (resource: AuditRecord['resource']) =>
      orphansOf([{ ...intent, ...(resource && { resource }) }], late)[0];
    expect(of({ count: 140, digest: 'd' })).toMatchObject({ ids: [], more: 140 });
    expect(of({ ids: [ID], cut: true })).toMatchObject({ ids: [ID], more: 'uncounted' });
  });
});

const orphan = (members: Partial<Orphan> = {}): Orphan => ({ ...orphansOf([intent], late)[0]!, ...members });
const update = { action: 'write', operation: 'oss.memories.update' } as const;
const there = (...changed: number[]): Memory => ({ kind: 'there', changed });
const gone = (...changed: number[]): Memory => ({ kind: 'gone', changed });

describe('what Mem0 is asked', () => {
  it('is about memories, and not about users', () => {
    expect(memoriesToAsk(orphan({ ids: [ID, TOKEN] }))).toEqual([ID]);
  });

  it.each<[string, Partial<Orphan>]>([
    ['an add', { action: 'write', operation: 'oss.memories.add' }],
    ['what is corrected', { state: 'corrected' }],
    ['what is no change of a memory', { action: 'admin', operation: 'oss.reset' }],
  ])('is nothing about %s', (_what, members) => {
    expect(memoriesToAsk(orphan(members))).toEqual([]);
  });
});

describe('what became of it', () => {
  it.each<[string, Partial<Orphan>, [string, Memory][], string]>([
    ['a delete: gone', {}, [[ID, gone()]], 'done'],
    ['a delete: still there', {}, [[ID, there(BEGAN + 1)]], 'not_done'],
    [
      'a delete of two: one is left',
      { ids: [ID, OTHER] },
      [
        [ID, gone()],
        [OTHER, there()],
      ],
      'partly',
    ],
    ['an update: changed since', update, [[ID, there(BEGAN - 99_999, BEGAN + 1)]], 'done'],
    ['an update: not changed since', update, [[ID, there(BEGAN - 99_999)]], 'not_done'],
    ['an update: never changed', update, [[ID, there()]], 'not_done'],
    ['an update: changed when clocks may differ', update, [[ID, there(BEGAN - 4000)]], 'unclear'],
    ['an update: gone since', update, [[ID, gone()]], 'unclear'],
    ['an update: gone, and its history tells', update, [[ID, gone(BEGAN + 1)]], 'done'],
    ['an add', { action: 'write', operation: 'oss.memories.add', ids: [TOKEN] }, [], 'unknowable'],
    ['a delete of too many to name', { ids: [], more: 140 }, [], 'unknowable'],
    ['Mem0 away', {}, [[ID, { kind: 'unasked', why: 'Mem0 cannot be reached from here' }]], 'not_asked'],
    ['Mem0 not asked', {}, [], 'not_asked'],
    ['an update: at a time that names no moment', update, [[ID, there(Number.NaN)]], 'unclear'],
    ['a correction', { state: 'corrected', result: 'failure' }, [], 'recorded'],
  ])('%s', (_what, members, memories, verdict) => {
    expect(judge(orphan(members), new Map(memories)).verdict).toBe(verdict);
  });

  it('is said with how many, and that there may be more', () => {
    const memories = new Map<string, Memory>([
      [ID, gone()],
      [OTHER, there()],
    ]);
    expect(judge(orphan({ ids: [ID, OTHER], more: 'uncounted' }), memories).because).toBe(
      '1 of 2: gone, by this request or a later one; 1 of 2: still there; it may have touched more',
    );
  });
});

describe('the table', () => {
  const judged = { ...orphan(), ...judge(orphan(), new Map([[ID, gone()]])) };

  it('has a line for each, and its ids below', () => {
    expect(tableOf([judged])).toEqual([
      'time                      operation            actor  intent      request  recorded  Mem0',
      '2026-11-01T00:00:00.000Z  oss.memories.delete  ann    acme~0~1/4  r-1      open      done: 1 of 1: gone, by this request or a later one',
      `    ids: ${ID}`,
    ]);
  });

  it('gives a terminal nothing to obey', () => {
    expect(tableOf([{ ...judged, actor: 'a\u001b[2Jb\u202e' }])[1]).toContain('a\uFFFD[2Jb\uFFFD');
  });

  it('counts those that no correction has settled', () => {
    expect(unsettled([judged, { ...judged, state: 'corrected' }])).toBe(1);
  });
});
